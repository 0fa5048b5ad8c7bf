#!/usr/bin/env bash
# Pings healthchecks.io, or a server of the same protocol, which sounds the alarm when a night doesn't come:
#     sumsquares nightly spec.toml --hook "/srv/sumsquares/hook-healthchecks.sh /etc/sumsquares/healthchecks"
# The file holds the check's ping URL, a secret, as its only line. From a systemd unit, which sees killed nights as well, and
# starts too, a second argument is `start` or `stop`: see notifications.conf.
set -euo pipefail
read -r url < "$1" || [ -n "$url" ]
case "${2:-$SUMSQUARES_EVENT}" in
  start) url+=/start ;;
  stop) if [ "$EXIT_CODE" = exited ]; then url+=/$EXIT_STATUS; else url+=/fail; fi ;;
  success | recovery) ;;
  missed) url+=/log ;;
  *) url+=/fail ;;
esac
# The URL goes to curl through a pipe: arguments are visible to every user of the machine. What was said of the night is the body.
exec curl --config <(printf 'url = "%s"\n' "$url") --silent --show-error --fail --output /dev/null \
  --max-time 10 --retry 3 --retry-connrefused --header 'Content-Type: application/json' --data-binary @-
