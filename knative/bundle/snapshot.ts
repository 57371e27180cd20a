/**
 * V8's start-up snapshot of a process that has run what functions share and compiled the functions: what starts from it reads
 * none of their files, and runs no other function than its own.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const BUILDER = fileURLToPath(new URL('build-snapshot.cjs', import.meta.url))

/** Only the Node that has built it starts from it; any other says so, and ends. */
const SNAPSHOT = 'serve.blob'

/**
 * Takes a snapshot of the bundle in `folder`.
 *
 * @returns its path
 */
export async function buildSnapshot(folder: string): Promise<string> {
  const snapshot = join(folder, SNAPSHOT)
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
