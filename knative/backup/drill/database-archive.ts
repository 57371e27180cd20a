/**
 * A base backup and the archive of WAL of one PostgreSQL server, in folders: what CloudNativePG and its plugin do with object
 * storage. For tests and for the drill, with the programs that npm brings, which have no pg_basebackup.
 */
import { execFile } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Sql } from 'postgres'
import { eventually } from './eventually.ts'

const run = promisify(execFile)

/** Settings of a server that archives its WAL into `folder`, each segment when it ends or after `timeoutSeconds`. */
export function archiveSettings(folder: string, timeoutSeconds: number): Record<string, string> {
  const segment = `"${folder}/%f"`
  return {
    wal_level: 'replica',
    archive_mode: 'on',
    archive_timeout: `${timeoutSeconds}s`,
    // Renamed when it is whole, and never over another.
    archive_command: `test ! -f ${segment} && cp "%p" "${folder}/%f.part" && mv "${folder}/%f.part" ${segment}`,
  }
}

/** Settings of a server that begins with what was restored, and reads on in the archive to its end. */
export function recoverySettings(archive: string): Record<string, string> {
  return { restore_command: `cp "${archive}/%f" "%p"` }
}

/** A folder that the server can write to. */
export async function makeArchive(sql: Sql, folder: string): Promise<void> {
  const { uid, gid } = statSync(await dataFolder(sql))
  mkdirSync(folder, { recursive: true })
  chownSync(folder, uid, gid)
}

export async function dataFolder(sql: Sql): Promise<string> {
  const [row] = await sql<{ folder: string }[]>`select current_setting('data_directory') as folder`
  return row?.folder ?? ''
}

/** Copies the files of the server into `target` while it works; the archive has the WAL that makes them whole. */
export async function backUpDatabase(sql: Sql, target: string): Promise<void> {
  const data = await dataFolder(sql)
  const session = await sql.reserve()
  try {
    await session`select pg_backup_start('drill', true)`
    // A file that vanishes meanwhile is in the WAL.
    await run('cp', ['-a', data, target]).catch((error: unknown) => {
      if (!existsSync(join(target, 'global', 'pg_control'))) throw error
    })
    const [stopped] = await session<{ labelfile: string }[]>`select labelfile from pg_backup_stop(true)`
    await rm(join(target, 'postmaster.pid'), { force: true })
    await run('find', [join(target, 'pg_wal'), '-type', 'f', '-delete'])
    writeAs(target, 'backup_label', stopped?.labelfile ?? '')
    writeAs(target, 'recovery.signal', '')
  } finally {
    session.release()
  }
}

/** Puts a backup where the data was. */
export async function restoreDatabase(backup: string, data: string): Promise<void> {
  await rm(data, { recursive: true, force: true })
  await run('cp', ['-a', backup, data])
}

/** Waits until all WAL that is written by now is in the archive. */
export async function archiveAll(sql: Sql): Promise<void> {
  const [row] = await sql<{ segment: string }[]>`select pg_walfile_name(pg_switch_wal()) as segment`
  await eventually(async () => {
    const [last] = await sql<
      { name: string | null }[]
    >`select last_archived_wal as name from pg_stat_archiver`
    return (last?.name ?? '') >= (row?.segment ?? '')
  })
}

/** Waits until it has read the whole archive, and takes writes. */
export async function recovered(sql: Sql): Promise<void> {
  await eventually(async () => {
    const [row] = await sql<{ recovering: boolean }[]>`select pg_is_in_recovery() as recovering`
    return row?.recovering === false
  })
}

/** Owned by whom the folder is. */
function writeAs(folder: string, name: string, text: string): void {
  const { uid, gid } = statSync(folder)
  writeFileSync(join(folder, name), text, { mode: 0o600 })
  chownSync(join(folder, name), uid, gid)
}
