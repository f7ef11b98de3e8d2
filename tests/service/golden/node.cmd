@echo off
rem OpenClaw Node Host (v1.0.0)
cd /d /home/me
set "HOME=/home/me"
set "OPENCLAW_STATE_DIR=/home/me/.openclaw"
/usr/local/bin/openclaw node run --host gw.example --port 18789 --tls
if %ERRORLEVEL%==78 exit /b 0
exit /b %ERRORLEVEL%
