/**
 * `self.memory`: what a person wants to be remembered. Each person has their own, which nobody else can read, admins included.
 *
 * A memory is found by its words at once, and by its meaning when a model has embedded it, which happens in the
 * background. Recalling is read-only, so it does not strengthen what it finds; `reinforce` does, and so does
 * `consolidate` with everything that was recalled before.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { indexAspect } from '../../../shared/recall/indexing.ts'
import { checkpoint, consolidate } from './memory/consolidate.ts'
import { engram } from './memory/engram.ts'
import { forget, restore } from './memory/forget.ts'
import { manifest, status } from './memory/overview.ts'
import { bytag, get, recent } from './memory/read.ts'
import { forPrompt } from './memory/for-prompt.ts'
import { recall } from './memory/recall.ts'
import { MEMORIES } from './memory/rows.ts'
import { said } from './memory/sessions.ts'
import { MEMORISERS } from './memory/shapes.ts'
import { cherish, reinforce } from './memory/value.ts'

export const selfMemory = defineNode('self.memory', {
  summary: 'What you want to be remembered, found again by words and by meaning',
  aspects: {
    manifest,
    status,
    engram,
    recall,
    for_prompt: forPrompt,
    get,
    recent,
    bytag,
    reinforce,
    forget,
    restore,
    cherish,
    checkpoint,
    consolidate,
    index: indexAspect(MEMORIES, MEMORISERS),
  },
  triggers: [said],
})
