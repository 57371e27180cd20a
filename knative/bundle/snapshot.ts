/**
 * V8's start-up snapshot of a process that has run what functions share and compiled the functions: what starts from it reads
 * none of their files, and runs no other function than its own.
 */
import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const BUILDER = fileURLToPath(new URL('build-snapshot.cjs', import.meta.url))

/**
 * Takes a snapshot of the bundle in `folder`.
 *
 * @returns its path
 */
export async function buildSnapshot(folder: string): Promise<string> {
  const snapshot = join(folder, snapshotName(process.execPath))
  await promisify(execFile)(
    process.execPath,
    ['--snapshot-blob', snapshot, '--build-snapshot', BUILDER, folder],
    {
      // Not of the one who builds: a snapshot keeps neither, but what loads may look at them.
      env: { NODE_ENV: 'production' },
    },
  )
  return snapshot
}

/** Names the Node that builds it, because no other can start from it; `start.sh` looks for the same name. */
function snapshotName(node: string): string {
  const { size, mtimeMs } = statSync(node)
  return `serve-${size}-${Math.floor(mtimeMs / 1000)}.blob`
}
