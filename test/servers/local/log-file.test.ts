import { closeSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLog } from '../../../knative/local/log-file.ts'
import { makeStateFolder } from '../servers.ts'

test('openLog() keeps what is there, closes it to others, and starts over past eight megabytes', async () => {
  const { state, remove } = await makeStateFolder()
  const file = join(state, 'a.log')
  writeFileSync(file, 'earlier\n', { mode: 0o644 })
  const log = openLog(file)
  closeSync(log.descriptor)
  expect(log.start).toBe(8)
  expect(statSync(file)).toMatchObject({ size: 8 })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  truncateSync(file, 8 * 1024 * 1024 + 1)
  const again = openLog(file)
  closeSync(again.descriptor)
  expect([again.start, statSync(file).size]).toEqual([0, 0])
  await remove()
})
