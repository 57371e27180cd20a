import {
  lstatSync,
  mkdirSync,
  realpathSync,
  rmSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test as base } from 'vitest'
import {
  canReach,
  chooseUser,
  placeFolder,
  SYSTEM_FOLDER,
} from '../../../knative/local/servers/postgres-user.ts'
import { makeStateFolder } from '../servers.ts'

/** A folder in a home that only its owner can enter, as root's is. */
const test = base.extend<{ home: string }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  home: async ({}, use) => {
    const { state, remove } = await makeStateFolder()
    await use(state)
    await remove()
  },
})

const asRoot = test.runIf(process.getuid?.() === 0)

test('placeFolder() makes a folder that only the user of PostgreSQL can read', ({ home, expect }) => {
  const state = join(home, 'state')
  const user = chooseUser(join(state, 'postgres'))
  const place = placeFolder(join(state, 'postgres'), user)
  expect(statSync(place)).toMatchObject({ uid: user?.uid ?? process.getuid?.() })
  expect(statSync(place).mode & 0o077).toBe(0)
  if (lstatSync(join(state, 'postgres')).isSymbolicLink()) rmSync(place, { recursive: true })
})

asRoot(
  'placeFolder() puts data elsewhere that could not be reached, and finds it again',
  ({ home, expect }) => {
    const folder = join(home, 'state', 'postgres')
    const user = chooseUser(folder)
    if (user === undefined) throw new Error('root needs another user')
    const place = placeFolder(folder, user)
    expect(place).toMatch(new RegExp(`^${SYSTEM_FOLDER}/postgres-`))
    expect(realpathSync(folder)).toBe(place)
    expect(canReach(place, user)).toBe(true)
    expect(placeFolder(folder, chooseUser(folder))).toBe(place)
    unlinkSync(folder)
    rmdirSync(place)
  },
)

asRoot('placeFolder() leaves data alone that has become unreachable', ({ home, expect }) => {
  const folder = join(home, 'state', 'postgres')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'data'), 'precious')
  expect(() => placeFolder(folder, chooseUser(folder))).toThrow(/cannot enter a folder above it any more/)
  expect(statSync(join(folder, 'data')).size).toBe('precious'.length)
})
