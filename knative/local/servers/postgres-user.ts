/**
 * PostgreSQL refuses to run as root. Started by root (in a container, mostly) it runs as `postgres` where that user
 * exists, else as `nobody`; no user is added to the system. Such a user may be unable to reach the state folder, as
 * below `/root`: the data then lies in `/var/lib/kgents` and the state folder holds a link to it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** Where root keeps what another user has to reach. */
export const SYSTEM_FOLDER = '/var/lib/kgents'

export interface ServerUser {
  uid: number
  gid: number
}

/** Whom to run PostgreSQL as; undefined means as ourselves. Existing data stays with the user who owns it. */
export function chooseUser(folder: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const owner = statSync(folder, { throwIfNoEntry: false })
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const user = findUser('postgres') ?? findUser('nobody')
  if (user === undefined) {
    throw new Error(
      'Cannot start PostgreSQL as root: there is no user "postgres" or "nobody"; ' +
        'start as another user, or set DATABASE_URL to a running server',
    )
  }
  return user
}

/** The folder itself, or what it links to: made on the first call, owned by `user`, and reachable for it. */
export function placeFolder(folder: string, user: ServerUser | undefined): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const place = realpathSync(folder)
  if (user === undefined) return place
  chownSync(place, user.uid, user.gid)
  openPassage(dirname(folder))
  return canReach(place, user) ? place : moveElsewhere(folder, user)
}

/** Only for a folder that is still empty: data that has become unreachable is left alone. */
function moveElsewhere(folder: string, user: ServerUser): string {
  if (readdirSync(folder).length > 0) {
    throw new Error(
      `Cannot start PostgreSQL: user ${user.uid} owns "${folder}" and cannot enter a folder above it any more`,
    )
  }
  const place = join(SYSTEM_FOLDER, `postgres-${randomUUID()}`)
  mkdirSync(SYSTEM_FOLDER, { recursive: true, mode: 0o755 })
  mkdirSync(place, { mode: 0o700 })
  chownSync(place, user.uid, user.gid)
  rmdirSync(folder)
  symlinkSync(place, folder)
  return place
}

/** Lets others walk through the state folder to their own; they still cannot list it or read what lies in it. */
function openPassage(state: string): void {
  chmodSync(state, statSync(state).mode | 0o011)
}

/** Whether `user` can work in the folder, which depends on every folder above it. */
export function canReach(folder: string, { uid, gid }: ServerUser): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { uid, gid, cwd: '/' }).status === 0
}

function findUser(name: string): ServerUser | undefined {
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}
