import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { components } from '../../../functions/components.ts'
import { readConfig, ServerSettings } from '../../../shared/config.ts'
import { defineComponent } from '../../../shared/contract/component.ts'
import { variablesOf } from '../../../shared/contract/variables.ts'

const contract = {
  name: 'greeter',
  summary: 'Greets',
  program: 'test/fixtures/greeter/main.ts',
  env: z.object({ ...ServerSettings.shape, GREETING: z.string().describe('What it says') }),
  secrets: [],
  reaches: [],
  scale: {
    replicas: 1,
    cpu: { request: '100m', limit: '1' },
    memory: { request: '64Mi', limit: '128Mi' },
    graceSeconds: 10,
  },
}

describe('defineComponent()', () => {
  test.for<[string, object, string]>([
    ['a name that is no host', { name: 'Greeter 1' }, 'its name is not a DNS label'],
    [
      'a secret that it does not read',
      { secrets: ['PASSWORD'] },
      'the secret "PASSWORD" is not in its environment',
    ],
    [
      'NATS without an address',
      { nats: { publish: [], subscribe: [] } },
      'NATS_URL is not in its environment',
    ],
    ['no port', { env: z.object({}) }, 'PORT has no default'],
    ['a variable that nobody describes', { env: z.object({ A: z.string() }) }, '"A" has no description'],
  ])('refuses %s', ([, change, message]) => {
    expect(() => defineComponent({ ...contract, ...change })).toThrow(message)
  })

  test('gives it the paths and the port that parts have', () => {
    const { health, port, image, open } = defineComponent(contract)
    expect({ health, port, image, open }).toEqual({
      health: { live: '/health/live', ready: '/health/ready' },
      port: 8080,
      image: 'parts',
      open: false,
    })
  })
})

describe('variablesOf()', () => {
  test('lists each variable of a union once, and requires only what every member does', () => {
    const engines = z.discriminatedUnion('ENGINE', [
      z.object({ ENGINE: z.literal('a').describe('which'), PATH_OF_A: z.string().describe('file') }),
      z.object({
        ENGINE: z.literal('b').describe('which'),
        THREADS: z.coerce.number().default(2).describe('count'),
      }),
    ])
    expect(variablesOf(engines)).toEqual([
      { name: 'ENGINE', description: 'which', required: true },
      { name: 'PATH_OF_A', description: 'file', required: false },
      { name: 'THREADS', description: 'count', required: false, default: '2' },
    ])
  })
})

describe('the parts that always run', () => {
  test.for(components.map((component) => [component.name, component] as const))(
    '%s reports all problems of its environment together, and does not ask for PORT',
    ([, component]) => {
      const required = component.variables.filter((variable) => variable.required).map(({ name }) => name)
      expect(required).not.toContain('PORT')
      expect(() => readConfig(component.env, { PORT: 'any' })).toThrow(
        expect.objectContaining({
          message: expect.stringMatching(
            new RegExp(['PORT', ...required].map((name) => `(?=[^]*${name})`).join('')),
          ),
        }),
      )
    },
  )

  test('no two have the same name or consumer', () => {
    const names = components.map(({ name }) => name)
    const taken = components
      .flatMap(({ nats }) => nats?.takes ?? [])
      .filter(({ consumer }) => consumer !== '*')
    const consumers = taken.map(({ stream, consumer }) => `${stream} ${consumer}`)
    for (const list of [names, consumers]) expect(new Set(list).size).toBe(list.length)
  })
})
