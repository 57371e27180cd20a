#!/bin/sh
# Starts the functions from the snapshot that this Node has made, and from their files where there is none.
folder=$(dirname "$0")
snapshot="$folder/serve-$(stat -Lc %s-%Y "$(command -v node)").blob"
[ -f "$snapshot" ] && exec node --snapshot-blob "$snapshot"
exec node "$folder/serve.cjs"
