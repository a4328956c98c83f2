# What `make` is elsewhere: .\run.ps1   .\run.ps1 test   .\run.ps1 run --port 8000   (the logic is in dev.py)
[string[]] $command = if ($args) { $args } else { 'run' }
[string[]] $python = if (Get-Command py -ErrorAction SilentlyContinue) { 'py' }
    elseif (Get-Command uv -ErrorAction SilentlyContinue) { 'uv', 'run', '--no-project' }
    else { 'python' }
$program, $arguments = $python + "$PSScriptRoot\dev.py" + $command
& $program @arguments
exit $LASTEXITCODE
