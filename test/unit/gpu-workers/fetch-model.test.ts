import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test as base } from 'vitest'
import { fetchModel } from '../../../gpu-workers/fetch-model.ts'

const MODEL = Buffer.alloc(3_000_000, 'GGUF')
const HASH = createHash('sha256').update(MODEL).digest('hex')

const test = base
  .extend('folder', ({}, { onCleanup }) => {
    const folder = mkdtempSync(join(tmpdir(), 'kgents-model-'))
    onCleanup(() => rmSync(folder, { recursive: true }))
    return folder
  })
  .extend('server', async ({}, { onCleanup }) => {
    const answers = { status: 200, cutAfter: MODEL.length, requests: 0 }
    const server = createServer((_request, response) => {
      answers.requests += 1
      response.writeHead(answers.status, { 'content-length': MODEL.length })
      response.write(MODEL.subarray(0, answers.cutAfter), () =>
        answers.cutAfter < MODEL.length ? response.destroy() : response.end(),
      )
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onCleanup(() => void server.close())
    return Object.assign(answers, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model` })
  })

test('fetchModel() writes the file that has the hash, and fetches it once', async ({ folder, server }) => {
  const path = join(folder, 'model.gguf')
  const settings = { MODEL_URL: server.url, MODEL_SHA256: HASH, MODEL_PATH: path }
  await fetchModel(settings)
  await fetchModel(settings)
  expect(readFileSync(path).equals(MODEL)).toBe(true)
  expect(readdirSync(folder)).toEqual(['model.gguf'])
  expect(server.requests).toBe(1)
})

test('fetchModel() leaves no model behind that has another hash or is not whole', async ({
  folder,
  server,
}) => {
  const settings = { MODEL_URL: server.url, MODEL_SHA256: HASH, MODEL_PATH: join(folder, 'model.gguf') }
  await expect(fetchModel({ ...settings, MODEL_SHA256: 'a'.repeat(64) })).rejects.toThrow(
    `its SHA-256 is ${HASH}`,
  )
  expect(readdirSync(folder)).toEqual([])
  server.cutAfter = 1000
  await expect(fetchModel(settings)).rejects.toThrow()
  server.status = 404
  await expect(fetchModel(settings)).rejects.toThrow('the answer is 404')
  expect(readdirSync(folder)).not.toContain('model.gguf')
})
