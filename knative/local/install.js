/**
 * Runs before `npm start` and `npm test`, by whatever Node the machine has: installs what package-lock.json names, unless
 * that has been done. Plain JavaScript, because nothing is installed yet when it runs.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import process from 'node:process'

const LOCK = new URL('../../package-lock.json', import.meta.url)
const INSTALLED = new URL('../../node_modules/.package-lock.json', import.meta.url)
const NODE = new URL('../../node_modules/.bin/node', import.meta.url)

/** npm writes INSTALLED when it has finished; an older one than LOCK is of another version. */
function isInstalled() {
  return existsSync(INSTALLED) && existsSync(NODE) && statSync(INSTALLED).mtimeMs >= statSync(LOCK).mtimeMs
}

/** Dependencies that differ although the files' times say nothing: a fresh checkout is newer than its install. */
function isSame() {
  if (!existsSync(INSTALLED) || !existsSync(NODE)) return false
  const wanted = JSON.parse(readFileSync(LOCK, 'utf8')).packages
  const present = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages
  const isWanted = ([path, { version }]) => wanted[path]?.version === version
  const isThere = ([path, entry]) => path === '' || path in present || mayBeAbsent(entry)
  return Object.entries(present).every(isWanted) && Object.entries(wanted).every(isThere)
}

/** What npm leaves out: packages for other machines, and optional ones that could not be installed. */
function mayBeAbsent({ optional, os, cpu }) {
  return optional === true || !isListed(os, process.platform) || !isListed(cpu, process.arch)
}

/** A list names what is allowed, or, with "!", what is not. */
function isListed(list, value) {
  if (list === undefined || list.includes('any')) return true
  const allowed = list.filter((each) => !each.startsWith('!'))
  return !list.includes(`!${value}`) && (allowed.length === 0 || allowed.includes(value))
}

// Not `npm ci`, which refuses a lock that lacks some package for another machine.
if (!isInstalled() && !isSame()) {
  console.log('Installing dependencies (once; about a minute) ...')
  const { status } = spawnSync(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    },
  )
  if (status !== 0) {
    console.error('Cannot install the dependencies: "npm install" failed, see above')
    process.exit(status ?? 1)
  }
}
