import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSecretBox } from '../../../shared/identity/secret-box.ts'

const newKey = () => randomBytes(32).toString('base64url')
const ACME = '00000000-0000-4000-8000-000000000001'
const GLOBEX = '00000000-0000-4000-8000-000000000002'

test('opens what it has sealed, and seals the same text differently each time', () => {
  const box = createSecretBox([newKey()])
  const sealed = box.seal(ACME, 'API', 'hunter2 schlüssel')
  expect(box.open(ACME, 'API', sealed)).toBe('hunter2 schlüssel')
  expect(sealed.includes('hunter2')).toBe(false)
  expect(box.seal(ACME, 'API', 'hunter2 schlüssel').equals(sealed)).toBe(false)
})

test('opens nothing for another tenant, under another name, with another key, or after a change', () => {
  const box = createSecretBox([newKey()])
  const sealed = box.seal(ACME, 'API', 'hunter2')
  expect(() => box.open(GLOBEX, 'API', sealed)).toThrow(/another key/)
  expect(() => box.open(ACME, 'OTHER', sealed)).toThrow(/another key/)
  expect(() => createSecretBox([newKey()]).open(ACME, 'API', sealed)).toThrow(/another key/)
  for (const at of sealed.keys()) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => box.open(ACME, 'API', changed), `byte ${at}`).toThrow(/another key/)
  }
  expect(() => box.open(ACME, 'API', sealed.subarray(0, 20))).toThrow(/another key/)
})

test('seals with the newest key, and still opens what an older one has sealed', () => {
  const [older, newer] = [newKey(), newKey()]
  const sealed = createSecretBox([older]).seal(ACME, 'API', 'hunter2')
  const rotated = createSecretBox([newer, older])
  expect(rotated.open(ACME, 'API', sealed)).toBe('hunter2')
  expect(createSecretBox([newer]).open(ACME, 'API', rotated.seal(ACME, 'API', 'hunter3'))).toBe('hunter3')
})

test('seals nothing without a key', () => {
  expect(() => createSecretBox([]).seal(ACME, 'API', 'hunter2')).toThrow(/TOOL_SECRET_KEY/)
})
