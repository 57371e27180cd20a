import { join } from 'node:path'
import { expect, test } from 'vitest'
import { announce } from '../../../knative/local/announce.ts'

const tenant = { id: 't', apiKey: 'kg_key' }
const dev = { url: 'http://localhost:8123', tenants: { acme: tenant, globex: tenant, platform: tenant } }
const suggestion = 'Remove INFERENCE=off from the environment'
const inference = { engine: 'none', reason: 'INFERENCE is set to "off"', suggestion } as const

test('announce() says in one line that it is ready and where its state is, and shows three calls', () => {
  const state = join(process.cwd(), 'some', 'state')
  const lines = announce({ dev, inference, statusPort: 1, state }).split('\n')
  expect(lines.filter((line) => /\bready\b/.test(line))).toEqual([
    expect.stringMatching(
      /^kgents is ready at http:\/\/localhost:8123 .*keys in some\/state\/dev.json, logs in some\/state\/logs/,
    ),
  ])
  expect(lines.filter((line) => line.startsWith('curl'))).toHaveLength(3)
  expect(announce({ dev, inference, statusPort: 1, state: '/elsewhere' })).toContain('/elsewhere/dev.json')
})

test('announce() advises what helps against having no model', () => {
  const text = announce({ dev, inference, statusPort: 1, state: '/elsewhere' })
  expect(text).toContain('Remove INFERENCE=off from the environment, and start again.')
  expect(text).not.toContain('MODEL_PATH')
})
