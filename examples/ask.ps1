<#
.SYNOPSIS
Ask a question and print the answer: start, poll every two seconds, stop at completed or error.

.EXAMPLE
./examples/ask.ps1 "How many films are there?"
#>
param(
    [string]$Question = 'How many films are there?',
    [string]$Base = 'http://localhost:7071',
    [string]$Token = $env:LAKEHOUSE_TOKEN
)
$ErrorActionPreference = 'Stop'

$headers = @{}
if ($Token) { $headers.Authorization = "Bearer $Token" }

# As bytes: Windows PowerShell would send letters beyond ASCII in an encoding of its own.
$body = [System.Text.Encoding]::UTF8.GetBytes((@{ question = $Question } | ConvertTo-Json))
$start = Invoke-RestMethod -Method Post -Uri "$Base/api/chat/start" -Headers $headers `
    -ContentType 'application/json; charset=utf-8' -Body $body

for ($attempt = 1; $attempt -le 60; $attempt++) {
    Start-Sleep -Seconds 2
    $status = Invoke-RestMethod -Uri "$Base$($start.poll_url)" -Headers $headers
    Write-Host "$($status.progress.percentage)% $($status.progress.current_step)"
    if ($status.status -eq 'completed') {
        $status.final_answer
        exit 0
    }
    if ($status.status -eq 'error') {
        Write-Error $status.error -ErrorAction Continue
        exit 1
    }
}
Write-Error 'Timeout' -ErrorAction Continue
exit 1
