import { expect, test } from 'vitest'
import { createBackend, type Backend, type Traveller } from '../../../knative/local/serving/backend.ts'
import { createBalancer } from '../../../knative/local/serving/balancer.ts'
import type { Failure } from '../../../shared/failures.ts'

interface Recorded extends Traveller {
  backend: Backend | undefined
  refusal: Failure | undefined
}

/** A request that notes where it went, and stays there until it is released. */
function createTraveller(): Recorded {
  const traveller: Recorded = {
    backend: undefined,
    refusal: undefined,
    start: (backend) => void (traveller.backend = backend),
    refuse: (failure) => void (traveller.refusal = failure),
  }
  return traveller
}

/** A balancer over pods with the ports 1, 2, 3... */
function createPods(count: number, containerConcurrency: number) {
  const balancer = createBalancer(containerConcurrency)
  const backends = Array.from({ length: count }, (_, index) =>
    createBackend(index + 1, containerConcurrency, () => balancer.advance()),
  )
  for (const backend of backends) balancer.add(backend)
  const submit = () => {
    const traveller = createTraveller()
    balancer.submit(traveller)
    return traveller
  }
  return { balancer, backends, submit, submitMany: (many: number) => Array.from({ length: many }, submit) }
}

const portsOf = (travellers: Recorded[]) => travellers.map(({ backend }) => backend?.port)

test('submit() fills pods in order where they take up to three requests', () => {
  const { submitMany } = createPods(3, 2)
  expect(portsOf(submitMany(6))).toEqual([1, 1, 2, 2, 3, 3])
})

test('submit() takes turns where pods take four requests or more', () => {
  const { submitMany } = createPods(3, 4)
  const counts = Map.groupBy(portsOf(submitMany(12)), (port) => port)
  expect([...counts.values()].map(({ length }) => length)).toEqual([4, 4, 4])
})

test('submit() is nearly even over pods without a limit', () => {
  const { submitMany, backends } = createPods(4, 0)
  submitMany(400)
  for (const { inFlight } of backends) expect(inFlight).toBeGreaterThan(85)
})

test('submit() lets a request wait when all slots are taken, and goes on in order as they are freed', () => {
  const { submitMany, balancer, backends } = createPods(1, 1)
  const [first, second, third] = submitMany(3)
  expect(balancer.waiting).toBe(2)
  first?.backend?.release()
  expect(second?.backend).toBe(backends[0])
  expect(third?.backend).toBeUndefined()
})

test('add() brings those that wait to the new pod', () => {
  const { balancer, submitMany } = createPods(0, 0)
  const travellers = submitMany(5)
  const backend = createBackend(7, 0, () => balancer.advance())
  balancer.add(backend)
  expect(portsOf(travellers)).toEqual([7, 7, 7, 7, 7])
})

test('withdraw() forgets one that waits, whether for any pod or at one', () => {
  const { balancer, submit } = createPods(1, 1)
  const first = submit()
  const waiting = submit()
  expect(balancer.withdraw(waiting)).toBe(true)
  balancer.mode = 'Serve'
  const queued = submit()
  expect(balancer.withdraw(queued)).toBe(true)
  first.backend?.release()
  expect(waiting.backend ?? queued.backend).toBeUndefined()
})

test('in mode Serve a pod queues ten requests per slot and refuses the next', () => {
  const { balancer, submitMany } = createPods(1, 2)
  balancer.mode = 'Serve'
  const travellers = submitMany(23)
  expect(travellers.filter(({ backend }) => backend !== undefined)).toHaveLength(2)
  expect(travellers.map(({ refusal }) => refusal?.message).filter(Boolean)).toEqual([
    'pending request queue full',
  ])
})

test('close() of a backend refuses those that queue there', async () => {
  const { balancer, submitMany, backends } = createPods(1, 1)
  balancer.mode = 'Serve'
  const [, queued] = submitMany(2)
  await backends[0]?.close()
  expect(queued?.refusal?.code).toBe('DEPENDENCY_UNAVAILABLE')
})
