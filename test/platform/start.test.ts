import { describe, expect, test } from 'vitest'
import { readState, startPlatform } from './start-platform.ts'
import { createCaller } from './world.ts'

interface DevFile {
  url: string
  tenants: Record<'acme' | 'globex' | 'platform', { id: string; apiKey: string }>
}

/** Whether any process of `pids` still runs. */
function running(pids: number[]): number[] {
  return pids.filter((pid) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  })
}

describe('npm start', () => {
  test('prints three calls and leaves no process behind; state and keys survive; without a model LLM paths say so', async () => {
    const first = await startPlatform({ INFERENCE: 'off' })
    const twice = startPlatform({ INFERENCE: 'off', KGENTS_STATE: first.state })
    await expect(twice).rejects.toThrow(`kgents already runs on "${first.state}" as process`)
    expect(first.output().match(/^curl /gm)).toHaveLength(3)
    const dev = readState<DevFile>(first.state, 'dev.json')
    const { id, apiKey } = dev.tenants.acme
    const sip = await createCaller(first.url, id, apiKey).call('POST', '/v1/agentese/void/entropy/sip', {
      amount: 1,
    })
    expect(sip.status).toBe(200)
    const pids = Object.values(readState<Record<string, { pid: number }>>(first.state, 'processes.json')).map(
      ({ pid }) => pid,
    )
    expect(running(pids).length).toBe(pids.length)
    await first.stop({ keep: true })
    expect(running(pids)).toEqual([])

    const second = await startPlatform({ INFERENCE: 'off', KGENTS_STATE: first.state })
    try {
      const acme = createCaller(second.url, id, apiKey)
      expect((await acme.call('POST', '/v1/agentese/void/entropy/manifest')).body.result.remaining).toBe(99)
      const dialogue = await acme.call('POST', '/v1/agentese/self/soul/dialogue', { message: 'Who are you?' })
      expect(dialogue).toMatchObject({
        status: 200,
        body: { result: { was_template: true, tokens_used: 0 } },
      })
      expect((await acme.call('GET', '/health/saas')).body).toMatchObject({
        status: 'degraded',
        has_llm: false,
      })
      expect(second.output()).toContain('There is no model')
      expect(second.output()).toContain(`keys in ${first.state}/dev.json`)
    } finally {
      await second.stop()
    }
  })
})
