import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadSecrets } from '../../../knative/local/secrets.ts'
import { makeStateFolder } from '../servers.ts'

test('loadSecrets() makes them once, for their owner alone, and leaves nothing half written', async () => {
  const { state, remove } = await makeStateFolder()
  const secrets = await loadSecrets(state)
  expect(await loadSecrets(state)).toEqual(secrets)
  expect(readdirSync(state)).toEqual(['secrets.json'])
  expect(statSync(join(state, 'secrets.json')).mode & 0o077).toBe(0)
  await remove()
})

test('loadSecrets() names a file that is cut short or older, what to do about it, and leaves it alone', async () => {
  const { state, remove } = await makeStateFolder()
  const file = join(state, 'secrets.json')
  await loadSecrets(state)
  const whole = readFileSync(file, 'utf8')
  const { eventKey: _, ...older } = JSON.parse(whole)
  for (const [text, reason] of [
    [whole.slice(0, 40), 'SyntaxError'],
    [JSON.stringify(older), 'eventKey is missing'],
    ['[]', 'it holds something else'],
  ] as const) {
    writeFileSync(file, text)
    await expect(loadSecrets(state)).rejects.toThrow(`Cannot read the secrets in "${file}": ${reason}`)
    await expect(loadSecrets(state)).rejects.toThrow(`or move "${state}" away`)
    expect(readFileSync(file, 'utf8')).toBe(text)
  }
  await remove()
})
