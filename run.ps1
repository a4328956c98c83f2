<#
.SYNOPSIS
  The same as `make` for Windows: .\run.ps1, .\run.ps1 test, .\run.ps1 run --port 8000
#>
$command = if ($args.Count) { $args } else { @('run') }
$python = if (Get-Command py -ErrorAction SilentlyContinue) { @('py', '-3.13') }
          elseif (Get-Command uv -ErrorAction SilentlyContinue) { @('uv', 'run', '--no-project') }
          else { @('python') }
$first, $rest = $python
& $first @rest "$PSScriptRoot\dev.py" @command
exit $LASTEXITCODE
