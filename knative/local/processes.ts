/** The processes of the parts that always run, from their contracts. */
import type { Component } from '../../shared/contract/component.ts'
import type { LocalConfig } from './config.ts'
import { componentEnvironment, type PlatformFacts } from './environment.ts'
import type { Infrastructure } from './infrastructure.ts'

export interface Process {
  name: string
  program: string
  port: number
  host: string
  env: Record<string, string>
  graceSeconds: number
}

interface Situation {
  config: LocalConfig
  infrastructure: Pick<Infrastructure, 'redis' | 'inference'>
}

/** Parts of which there is not just one here: the names of their processes. */
const REPLICAS: Record<string, (situation: Situation) => string[]> = {
  'usage-export': ({ config }) =>
    config.OPENMETER_URL === undefined && config.LAGO_URL === undefined ? [] : ['usage-export'],
  'redis-rest': ({ infrastructure: { redis } }) =>
    redis !== undefined && 'url' in redis ? ['redis-rest'] : [],
  'gpu-worker': ({ config, infrastructure: { inference } }) =>
    inference.engine === 'none'
      ? []
      : Array.from({ length: config.WORKERS }, (_, index) => `gpu-worker-${index + 1}`),
}

/** The names of the processes of one part. */
export function processNames({ name }: Component, situation: Situation): string[] {
  return REPLICAS[name]?.(situation) ?? [name]
}

/** The processes of `components`, in the order in which they start. */
export function processesOf(components: readonly Component[], facts: PlatformFacts): Process[] {
  return components.flatMap((component) =>
    processNames(component, facts).map((name) => {
      const port = facts.ports.parts.get(name) ?? 0
      const env = componentEnvironment(component, port, facts)
      const { program, scale } = component
      return { name, program, port, host: env['HOST'] ?? '', env, graceSeconds: scale.graceSeconds }
    }),
  )
}
