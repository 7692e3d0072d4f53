"""What makes a box ours and lets it end by itself: its own key, a proof made with it, and a lease that runs out.

The market gives each rental a key that may destroy only this rental. `onstart` leaves it where the session alone may
read it (0600, in `ts/box`), and starts a watchman. Whoever holds the box renews the lease; when nobody does, or its
hard end comes, the watchman has the market destroy the box. A bot that died for good costs one lease, not a month.
"""

import hashlib
import hmac
import math
import re
from dataclasses import dataclass
from typing import Final

from pipeline.trainers.box import Command

FOLDER: Final = "ts/box"
MARKET: Final = "https://console.vast.ai"  # where a real box asks; a market on loopback tells its boxes VAST_URL
NO_KEY: Final = 7  # exit code of ours: onstart has not come that far


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Real seconds: until it lapses when nobody renews it, until it ends all the same, between two looks."""

    lapses: float
    ends: float
    every: float


def onstart(lease: Lease) -> str:
    """Run by the market at EVERY start of the container: the hard end of its first start stays."""
    return f"""cd "${{HOME:-/root}}" || exit; umask 077; touch .no_auto_tmux; mkdir -p {FOLDER}; cd {FOLDER} || exit
rm -f pid
printf %s "$CONTAINER_ID" > id
printf %s "${{VAST_URL:-{MARKET}}}" > url
printf %s "$CONTAINER_API_KEY" > key.new && mv key.new key
unset CONTAINER_API_KEY
{_watchman(lease)}"""


def hold(lease: Lease, *, anew: bool = False) -> Command:
    """Renew the lease from here, and see to it that the watchman is awake. `anew`: its hard end is counted from now."""
    # in one step: a watchman that finds no end destroys the box
    end = f"echo $(($(date +%s) + {math.ceil(lease.ends)})) > end.new && mv end.new end\n" if anew else ""
    return Command("hold", f"umask 077; mkdir -p {FOLDER} && cd {FOLDER} || exit 9\n{end}{_watchman(lease)}")


def renew(lease: Lease, here: str) -> str:
    """A line for a script that runs in a folder from which `here` leads to ours. In one step: never half a number."""
    return f"echo $(($(date +%s) + {lapse(lease)})) > {here}/until.$$ && mv {here}/until.$$ {here}/until"


def lapse(lease: Lease) -> int:
    """Whole seconds, as they are counted on the box."""
    return math.ceil(lease.lapses)


def _watchman(lease: Lease) -> str:
    """Our shell on the box, for start and renewal. The key reaches curl by its standard input."""
    return f"""{renew(lease, ".")}
test -s end || echo $(($(date +%s) + {math.ceil(lease.ends)})) > end
cat > watch.new <<'SCRIPT'
echo $$ > pid
while sleep {lease.every:g}; do
  now=$(date +%s)
  test "$now" -lt "$(cat until)" && test "$now" -lt "$(cat end)" && continue
  id=$(tr -cd 0-9 < id)
  printf 'header = "Authorization: Bearer %s"\\n' "$(cat key)" |
    curl -K - -sS -m 30 -X DELETE "$(cat url)/api/v0/instances/$id/"
done
SCRIPT
mv watch.new watch.sh  # never under the feet of a shell that reads it
kill -0 "$(cat pid 2>/dev/null)" 2>/dev/null || setsid -f sh watch.sh > watch.log 2>&1 < /dev/null"""


def prove(nonce: str) -> Command:
    """Ask for HMAC(the rental's own key, `nonce` and host key), one for each host key the box knows to be its own.

    A middle man has another host key than the box, and not its own key (threats.md 2). The box asks itself for its
    host keys over loopback, and its disk: a stranger stands on neither.
    """
    return Command(
        "prove",
        f"""test -s {FOLDER}/key || exit {NO_KEY}
port=${{SSH_CONNECTION##* }}
{{ ssh-keyscan -T 5 -p "${{port:-22}}" 127.0.0.1 | cut -d ' ' -f 2-3
  cut -d ' ' -f 1-2 /etc/ssh/ssh_host_*_key.pub; }} 2>/dev/null | sort -u | head -n 20 |
python3 -c '
import hashlib, hmac, sys
key = open("{FOLDER}/key", "rb").read()
for line in sys.stdin:
    print("proof=" + hmac.new(key, (sys.argv[1] + " " + line.strip()).encode(), hashlib.sha256).hexdigest())
' {re.sub(r"[^0-9a-f]", "", nonce)}""",
        seconds=60,
    )


def proven(out: bytes, nonce: str, host_key: str, key: str) -> bool:
    """Whether one of the answers to `prove` is that of the box whose own key is `key`, behind `host_key`."""
    right = answer(nonce, host_key, key)
    said = re.findall(r"^proof=([0-9a-f]{64})$", out.decode("ascii", "replace"), re.MULTILINE)
    return bool(key) and any(hmac.compare_digest(right, each) for each in said)


def answer(nonce: str, host_key: str, key: str) -> str:
    return hmac.new(key.encode(), f"{nonce} {host_key}".encode(), hashlib.sha256).hexdigest()
