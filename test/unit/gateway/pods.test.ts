import { describe, expect, test } from 'vitest'
import { createPods } from '../../../gateway/local/pods.ts'

const HOST = 'void-entropy.kgents.svc.cluster.local'

function pods() {
  const state = { now: 0, gone: [] as string[] }
  const created = createPods(
    (origin) => state.gone.push(origin),
    () => state.now,
  )
  return { ...created, state }
}

describe('createPods()', () => {
  test('chooses the pods of a function in turns, and none of a function that has none', () => {
    const { choose, update } = pods()
    expect(choose(HOST)).toBeUndefined()
    update({ 'void-entropy': ['127.0.0.1:1', '127.0.0.1:2'], jobs: [] })
    const chosen = [1, 2, 3].map(() => choose(HOST)?.origin)
    expect(chosen).toEqual(['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:1'])
    expect(choose('jobs.kgents.svc.cluster.local')).toBeUndefined()
    expect(choose('logos.kgents.svc.cluster.local')).toBeUndefined()
  })

  test('tells of pods that went, and chooses them no more', () => {
    const { choose, update, state } = pods()
    update({ 'void-entropy': ['a:1', 'b:1'] })
    update({ 'void-entropy': ['b:1'] })
    expect(state.gone).toEqual(['http://a:1'])
    update({})
    expect(state.gone).toEqual(['http://a:1', 'http://b:1'])
    expect(choose(HOST)).toBeUndefined()
  })

  test('tells how many requests were in flight on average', () => {
    const { choose, update, takeConcurrency, state } = pods()
    update({ 'void-entropy': ['a:1'], jobs: ['b:1'] })
    const first = choose(HOST)
    state.now = 250
    const second = choose(HOST)
    state.now = 500
    second?.release()
    state.now = 1000
    expect(takeConcurrency()).toEqual({ 'void-entropy': 1.25 })
    state.now = 1500
    first?.release()
    state.now = 2000
    expect(takeConcurrency()).toEqual({ 'void-entropy': 0.5 })
    state.now = 3000
    expect(takeConcurrency()).toEqual({})
  })
})
