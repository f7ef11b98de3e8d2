/**
 * Programs of administration, networks, media and files: the options and words with which they start a program that the
 * command did not name, or load code into themselves. Data for `tool_options.ts` (class of X15, X30).
 */
import type { ToolRule } from "./options.ts";

/** Rules of programs that do something on this machine or over the network. */
export const SYSTEM_TOOLS: readonly ToolRule[] = [
  {
    names: /^(?:docker|podman|nerdctl)$/,
    long: ["runtime", "host", "config", "context", "hooks-dir"],
    word:
      /^(?:--privileged|unshare$|--(?:pid|userns)=host|-H)|^(?:-v|--volume=)?\/(?:(?:etc|root|usr|bin|sbin|proc|dev)\/?)?:|docker\.sock|(?:^|,)(?:source|src)=\/(?:,|$)/,
  },
  {
    names: /^kubectl$/,
    long: ["exec-command", "preset"],
    word: /^(?:plugin|edit|proxy|krew)$|\.exec\./,
  },
  { names: /^helm$/, long: ["post-renderer"], word: /^(?:plugin)$/ },
  { names: /^aws$/, word: /credential_process|cli_pager|^alias$/ },
  {
    names: /^ansible(?:-(?:playbook|inventory))?$/,
    long: [
      "args",
      "module-path",
      "playbook-dir",
      "ssh-common-args",
      "ssh-extra-args",
      "scp-extra-args",
      "sftp-extra-args",
    ],
    word: /^-[a-zA-Z]*[aM]|ansible_[a-z_]*(?:args|interpreter|executable|method|exe)\b/,
  },
  {
    names: /^systemctl$/,
    long: ["host", "machine", "root", "image"],
    word:
      /^(?:edit|link|set-environment|import-environment|set-property|-H|-M)$|^(?:-[HM]).|\/[^/]*\.(?:service|socket|timer|path|mount)$/,
  },
  { names: /^(?:service|invoke-rc\.d)$/, word: /\// },
  { names: /^(?:busctl|gdbus)$/, word: /^(?:call|emit|set-property)$|^(?:-H|--host|--address)/ },
  { names: /^update-alternatives$/, long: ["install", "set", "altdir", "config"] },
  { names: /^ip6?tables(?:-[a-z]+)*$/, long: ["modprobe"], word: /^-M/ },
  {
    names: /^mount(?:\.fuse3?)?$/,
    word: /ssh_command|helper=|(?:^|[,t])fuse|#|\.\.\/|^(?:-t)?\.*\/.*mount\./,
  },
  { names: /^tc$/, word: /^(?:e|ex|exe|exec)$/ },
  { names: /^logrotate$/, long: ["mail"], word: /^-[a-z]*m/ },
  { names: /^ip$/, word: /^(?:e|ex|exe|exec|-b|-ba[a-z]*|--?batch.*)$/ },
  {
    names: /^(?:nc|ncat|netcat|nc\.[a-z]+)$/,
    long: ["exec", "sh-exec", "lua-exec"],
    word: /^-[a-zA-Z0-9]*[ec]/,
  },
  { names: /^socat\d?$/, word: /(?:exec|system|shell):/i },
  {
    names: /^openssl$/,
    word:
      /^(?:engine|--?(?:engine|ssl_client_engine|provider|provider-path|provider_path|config)(?:=|$))/,
  },
  { names: /^curl$/, long: ["engine"] },
  { names: /^aria2c$/, word: /^--(?:on-|conf-path|hook)/ },
  {
    names: /^(?:yt-dlp|youtube-dl)$/,
    long: [
      "exec",
      "exec-before-download",
      "netrc-cmd",
      "downloader",
      "external-downloader",
      "config-locations",
      "plugin-dirs",
      "use-postprocessor",
      "ffmpeg-location",
    ],
  },
  { names: /^ssh-(?:keygen|add)$/, word: /^-[a-zA-Z]*[DSswe]/ },
  { names: /^(?:ssh-copy-id|sshuttle)$/, long: ["ssh-cmd"], word: /^-[a-zA-Z]*[oeF]/ },
  {
    names: /^(?:sshfs|mosh)$/,
    long: ["ssh", "server", "client"],
    word: /ssh_command|^-[a-zA-Z]*[oF]/i,
  },
  {
    names: /^(?:restic|rclone|borg|rdiff-backup|duplicity)$/,
    long: [
      "option",
      "password-command",
      "rsh",
      "remote-path",
      "remote-schema",
      "ssh-options",
      "rsync-options",
      "paths-from-command",
      "sftp-ssh",
      "sftp-server-command",
      "metadata-mapper",
      "content-from-command",
      "gpg-binary",
    ],
    word: /^(?:-o|rcd$)|(?:ssh|pass_?command|program)=/,
  },
  { names: /^nmap$/, long: ["script", "interactive", "datadir"], word: /^-[a-zA-Z]*C$|^-sC/ },
  { names: /^(?:tshark|wireshark|dumpcap)$/, word: /^-[a-zA-Z]*X/ },
  { names: /^(?:nginx|apache2(?:ctl)?|httpd)$/, word: /^-[a-zA-Z]*[cCgf]/ },
  {
    names: /^(?:lftp|ncftp|smbclient|debugfs)$/,
    word: /[!|]|\b(?:shell|local)\b|(?:^|\/)(?:dev|proc)\//,
  },
  { names: /^unison$/, word: /^--?(?:sshcmd|rshcmd|sshargs|diff|merge|servercmd|copyprog)/ },
  { names: /^(?:cdk|cdktf)$/, long: ["app", "build", "browser"], word: /^-a/ },
  { names: /^terraform$/, word: /^--?plugin-dir/ },
  {
    names: /^(?:gimp|blender|openocd)(?:-[\d.]+)?$/,
    word: /^(?:-[bPcf]$|-[bc].|--(?:batch|python))/,
  },
  { names: /^(?:calc|qalc)$/, word: /system|exec|command|!/ },
  { names: /^sftp$/, word: /^-[a-zA-Z0-9]*b-$|^-$|(?:^|\/)(?:dev|proc)\// },
  {
    names: /^(?:mail|mailx|s-nail|mutt|neomutt)$/,
    long: ["exec", "cmd"],
    word: /^-[a-zA-Z]*[EeSFX:]/,
  },
  { names: /^(?:lynx|elinks|links|w3m)$/, word: /^--?(?:editor|cfg|config|eval|o$|lss|plugin)/ },
  {
    names:
      /^(?:chrom(?:e|ium)(?:-browser)?|google-chrome(?:-[a-z]+)?|brave(?:-browser)?|electron)$/,
    word: /cmd-prefix|launcher|subprocess-path|load-extension/,
  },
  { names: /^(?:libreoffice|soffice|localc|lowriter)$/, word: /^(?:macro|vnd\.[a-z.]+):/i },
  {
    names: /^gpg2?$/,
    long: [
      "exec-path",
      "photo-viewer",
      "agent-program",
      "pinentry-program",
      "dirmngr-program",
      "keyboxd-program",
      "options",
      "load-extension",
    ],
  },
  {
    names:
      /^(?:rsvg-convert|convert|import|display|animate|conjure|stream|magick|identify|mogrify|composite|montage|gm|sox|play|rec)$/,
    word: /^(?:[a-z]+:)?\||^(?:msl|ephemeral|mvg|url|https?):|%pipe%|^-script$/i,
  },
  {
    names: /^(?:gs|ghostscript|gsc|ps2[a-z]+|[ed]ps2[a-z]+)$/,
    word: /%pipe|^(?:-c|-dNOSAFER|-dDELAYSAFER|-dNOSAFE|-@|@|-_|-$|--$)/,
  },
  { names: /^(?:mpv|vlc|cvlc|mplayer)$/, word: /^--?(?:script|scripts|lua|load|extraintf|input-)/ },
  { names: /^(?:scrot|feh|maim)$/, word: /^-[a-zA-Z]*[eA]|^--(?:exec|action|info)/ },
  { names: /^exiftool$/, word: /^-(?:if\d*|config|p|userparam)$|[;{]|\|/ },
  { names: /^(?:cowsay|cowthink)$/, word: /^-[a-zA-Z]*f/ },
  { names: /^xdg-user-dir$/, word: /[^A-Z]/ },
  {
    names: /^(?:perlbug|perldoc|pidstat|csvtool|xdotool)$/,
    word: /^(?:-e|-s|-r|-C|-U.*|call|exec)$/,
  },
  { names: /^(?:sdiff|diff3)$/, long: ["diff-program"], word: /^-[a-zA-Z]*o/ },
  { names: /^dc$/, word: /!/ },
  { names: /^(?:texi2dvi|texi2pdf)$/, long: ["command", "shell-escape"], word: /^-[a-zA-Z]*c/ },
  {
    names: /^(?:(?:pdf|xe|lua|p|up)?(?:la)?tex|latexmk|context)$/,
    long: ["shell-escape", "enable-write18", "lua", "use-make"],
    word: /^--?(?:shell-e|enable|cnf|lua|e$|r$|latex=|[a-z]*latex=)/,
  },
  {
    names: /^pandoc$/,
    long: ["filter", "lua-filter", "pdf-engine", "defaults", "to", "from"],
    word: /^-[FLd]|\.lua$/,
  },
  {
    names: /^hg$/,
    long: ["config", "config-file", "ssh", "remotecmd", "editor", "tool"],
    word: /^-[a-zA-Z]*e|^(?:extdiff|merge-tool|bisect)$/,
  },
  { names: /^svn$/, long: ["diff-cmd", "diff3-cmd", "editor-cmd", "config-option", "config-dir"] },
  {
    names: /^(?:bat|batcat|delta|ag|ack|ack-grep|diffoscope)$/,
    long: ["pager", "ackrc", "filter", "diff-args"],
  },
  {
    names: /^(?:gh|glab)$/,
    long: ["shell"],
    word: /^(?:alias|extension|ext|pager|editor|browser|glamour_style)$/,
  },
  { names: /^jj$/, long: ["config", "config-file", "config-toml", "tool"] },
  { names: /^(?:ftp|tnftp)$/, word: /^-o.*\||^\||^!/ },
  { names: /^(?:exim4?|sendmail)$/, word: /^-(?:be|bm[a-z]|C|D|O|X|oX)|\$\{/ },
  { names: /^msmtp$/, long: ["passwordeval", "file"], word: /^-C/ },
  {
    names: /^fetchmail$/,
    long: ["mda", "plugin", "plugout", "preconnect", "fetchmailrc"],
    word: /^-[a-zA-Z]*[mf]/,
  },
  { names: /^swaks$/, long: ["pipe", "config", "plugin"], word: /^-{1,2}(?:pipe|config)/ },
  { names: /^enscript$/, long: ["filter", "output"], word: /^-[a-zA-Z0-9]*[po]|^\|/ },
  { names: /^dvips$/, word: /^-o|^[|!`]/ },
  {
    names: /^(?:dnsmasq|openconnect|vpnc|dhcpcd)$/,
    long: ["conf-file"],
    word: /script|^-[a-zA-Z]*[sC]/,
  },
  { names: /^mdadm$/, word: /^-[a-zA-Z]*p$/ },
  { names: /^pg_ctl$/, word: /^-[a-zA-Z]*[po]/ },
  { names: /^rotatelogs$/, word: /^-[a-zA-Z]*p/ },
  { names: /^gpg-connect-agent$/, word: /^-[a-zA-Z]*[ErS]|^\/run\b/ },
  { names: /^modprobe$/, long: ["config"], word: /^-[a-zA-Z]*[Cd]/ },
  { names: /^wg-quick$/, word: /\// },
  { names: /^fzf$/, word: /^--?(?:preview|bind|listen|become|with-shell|execute)/ },
  { names: /^nano$/, word: /^(?:-[a-zA-Z]*[soI]|--speller|--rcfile|--operatingdir)/ },
  { names: /^(?:troff|groff|nroff|tbl|pic)$/, word: /^-[a-zA-Z]*[US]|^-[a-zA-Z]*[PLXM]/ },
];
