import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { dependenciesOf } from '../../../shared/contract/needs.ts'
import { components } from '../../../functions/components.ts'
import { networkPoliciesOf } from '../../../knative/network/policies.ts'
import { createNetwork, type End, type Pod } from './network.ts'

const policies = networkPoliciesOf(catalog, components)
const { lets } = createNetwork(policies)

const functionPod = (name: string): Pod => ({ namespace: 'kgents', labels: { 'kgents.io/function': name } })
const partPod = (name: string): Pod => ({ namespace: 'kgents', labels: { 'kgents.io/part': name } })
const kourier: Pod = { namespace: 'kourier-system', labels: { app: '3scale-kourier-gateway' } }
const knative = (app: string): Pod => ({ namespace: 'knative-serving', labels: { app } })
const stranger: Pod = { namespace: 'default', labels: { app: 'stranger' } }

/** What can be reached, and how a contract says so. */
const PLACES: Record<string, { end: End; port: number; need?: string; reach?: string }> = {
  postgres: {
    end: { namespace: 'kgents-triad', labels: {} },
    port: 5432,
    need: 'postgres',
    reach: 'postgres',
  },
  redis: { end: { namespace: 'kgents-triad', labels: {} }, port: 6379, reach: 'redis' },
  'redis-rest': { end: partPod('redis-rest'), port: 8080, need: 'redis' },
  nats: { end: { namespace: 'kgents-agents', labels: {} }, port: 4222, reach: 'nats' },
  'NATS monitoring': { end: { namespace: 'kgents-agents', labels: {} }, port: 8222, need: 'nats-monitoring' },
  ingress: { end: kourier, port: 8081, need: 'functions', reach: 'functions' },
  broker: {
    end: { namespace: 'knative-eventing', labels: { 'eventing.knative.dev/brokerRole': 'ingress' } },
    port: 8080,
    reach: 'broker',
  },
  'stream hub': { end: partPod('stream-hub'), port: 8080, reach: 'parts' },
  internet: { end: { address: 'public' }, port: 443, need: 'outside', reach: 'outside' },
  'private networks': { end: { address: 'private' }, port: 443 },
  'the API server': { end: { namespace: 'kube-system', labels: {} }, port: 6443 },
  strangers: { end: stranger, port: 8080 },
}

function reachedBy(from: Pod): string[] {
  return Object.entries(PLACES).flatMap(([name, { end, port }]) => (lets(from, end, port) ? [name] : []))
}

function declared(key: 'need' | 'reach', names: readonly string[]): string[] {
  return Object.entries(PLACES).flatMap(([name, place]) => (names.includes(place[key] ?? '') ? [name] : []))
}

describe('networkPoliciesOf()', () => {
  test.for(catalog.map(({ name, needs }) => [name, needs] as const))(
    'the function %s reaches what its contract needs, and nothing else',
    ([name, needs]) => {
      expect(reachedBy(functionPod(name))).toEqual(declared('need', dependenciesOf(needs)))
    },
  )

  test.for(components.map(({ name, reaches }) => [name, reaches] as const))(
    'the part %s reaches what its contract names, and nothing else',
    ([name, reaches]) => {
      expect(reachedBy(partPod(name))).toEqual(declared('reach', reaches))
    },
  )

  test('a function is reached by Knative alone, whatever it needs', () => {
    for (const { name } of catalog) {
      for (const from of [kourier, knative('activator')])
        expect(lets(from, functionPod(name), 8012)).toBe(true)
      expect(lets(knative('autoscaler'), functionPod(name), 9090)).toBe(true)
      const others = [stranger, partPod('gateway'), functionPod('logos'), knative('webhook')]
      for (const from of others) expect(lets(from, functionPod(name), 8012)).toBe(false)
    }
  })

  test('parts are reached by whom they serve: the hub by the gateway, Redis by who needs it, the gateway by all', () => {
    const everybody = [
      ...catalog.map(({ name }) => functionPod(name)),
      ...components.map(({ name }) => partPod(name)),
    ]
    const callersOf = (name: string, port: number) =>
      everybody
        .filter((from) => lets(from, partPod(name), port))
        .flatMap(({ labels }) => Object.values(labels))
    expect(callersOf('stream-hub', 8080)).toEqual(['gateway'])
    const needing = catalog.filter(({ needs }) => dependenciesOf(needs).includes('redis'))
    expect(callersOf('redis-rest', 8080)).toEqual(needing.map(({ name }) => name))
    for (const name of ['relay', 'webhooks', 'gpu-worker']) expect(callersOf(name, 8080)).toEqual([])
    expect(lets({ address: 'public' }, partPod('gateway'), 8000)).toBe(true)
    expect(lets({ address: 'public' }, partPod('gateway'), 8100)).toBe(false)
    expect(lets({ address: 'public' }, partPod('stream-hub'), 8080)).toBe(false)
  })

  test('metrics of every part are read by whoever observes, and names are resolved by all', () => {
    const prometheus: Pod = { namespace: 'kgents-observability', labels: {} }
    for (const { name, port, health } of components)
      expect(lets(prometheus, partPod(name), health.port ?? port)).toBe(true)
    const dns: Pod = { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }
    for (const { name } of catalog) expect(lets(functionPod(name), dns, 53)).toBe(true)
  })

  test('a pod that nobody knows reaches nothing, and nothing reaches it', () => {
    const unknown: Pod = { namespace: 'kgents', labels: { app: 'unknown' } }
    expect(reachedBy(unknown)).toEqual([])
    expect(lets(kourier, unknown, 8080)).toBe(false)
  })
})
