/**
 * `world.agent`: agents that a tenant has given instructions to, and tools. An agent has no state of its own: each invocation shows
 * a model its instructions and what is asked of it. One with tools is a run: the model answers, its tools are called, and so on to
 * an answer without tools, or to a limit. Definitions never change; who wants others defines another agent.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { runTick, runTriggers } from './agent/continue.ts'
import { define, retire } from './agent/define.ts'
import { cancel, runs, steps } from './agent/history.ts'
import { invoke } from './agent/invoke.ts'
import { list, manifest, search } from './agent/read.ts'
import { step } from './agent/step.ts'

export const worldAgent = defineNode('world.agent', {
  summary: 'Agents that you have given instructions to',
  aspects: {
    manifest,
    define,
    list,
    search,
    invoke,
    runs,
    steps,
    step,
    cancel,
    retire,
  },
  triggers: runTriggers,
  tick: runTick,
})
