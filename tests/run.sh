#!/usr/bin/env bash
# Builds the solution once and runs every test project. Needs the .NET SDK; installs what else the tests use.
#
#   bash tests/run.sh [--filter TEXT] [--soak SECONDS]
#
# --filter  runs the tests whose full name has the text in it: --filter Memory, --filter EntryTableTests.Growth
# --soak    lets every soak test run that long instead of its short default
#
# The last line reads 'N passed, N failed, N skipped'. The exit code is 0 if tests ran and none failed.
set -uo pipefail

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

filter=()
soak=0
while [ $# -gt 0 ]; do
  case "$1" in
    --filter) filter=(-method "*${2:?--filter needs a text}*"); shift 2 ;;
    --soak) soak="${2:?--soak needs a number of seconds}"; export CACHEKIT_SOAK_SECONDS="$soak"; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
exec </dev/null
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# A build server that outlives this script would hold a caller's pipe open.
export MSBUILDDISABLENODEREUSE=1

passed=0 failed=0 skipped=0

finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

require_redis() {
  command -v redis-server >/dev/null && return
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server; } >/dev/null 2>&1
  command -v redis-server >/dev/null && return
  echo "redis-server is missing and could not be installed with apt-get: the Redis tests cannot run." >&2
  [ "${CI:-}" != true ]
}

# Adds up the results of one test project; $1 is its exit code, $2 its results file.
count() {
  local total=0 ok=0 bad=0
  if [ -s "$2" ]; then
    local counters
    counters=$(grep -o '<Counters [^>]*>' "$2" | tail -n 1)
    value() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<"$counters"; }
    total=$(value total) ok=$(value passed) bad=$(value failed)
  fi
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${bad:-0}))
  skipped=$((skipped + ${total:-0} - ${ok:-0} - ${bad:-0}))
  # A run that failed without a failed test crashed, hung or never started.
  if [ "$1" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then failed=$((failed + 1)); fi
}

if compgen -G 'tests/*Redis*/*.csproj' >/dev/null && ! require_redis; then
  failed=1
  finish
fi

if ! dotnet build CacheKit.sln -c Release -nologo -v minimal; then
  failed=1
  finish
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# A run that hangs ends all the same, where there is a command for it.
limit=()
if command -v timeout >/dev/null; then limit=(timeout --kill-after 10 "$((600 + soak))"); fi

# By the test programs themselves, which takes about half as long as through `dotnet test`.
for project in tests/*.Tests/*.csproj; do
  name=$(basename "$project" .csproj)
  ${limit[@]+"${limit[@]}"} dotnet "tests/$name/bin/Release/net10.0/$name.dll" -noColor -noLogo -longRunning 60 \
    ${filter[@]+"${filter[@]}"} -trx "$results/$name.trx"
  count $? "$results/$name.trx"
done

finish
