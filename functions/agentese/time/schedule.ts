/**
 * `time.schedule`: calls that are to be made later. A tick finds what is due and gives word of it; the word makes the
 * call, with the rights that its owner has by then, under a key of its own: it is made exactly once, whatever dies
 * in between.
 */
import { defineNode } from '../../../shared/contract/define-node.ts'
import { tick } from '../../../shared/contract/define-operation.ts'
import { cancel, defer } from './schedule/defer.ts'
import { announceDue, due } from './schedule/fire.ts'
import { list, manifest, status } from './schedule/read.ts'

export const timeSchedule = defineNode('time.schedule', {
  summary: 'Calls that are to be made later',
  aspects: {
    manifest,
    defer,
    cancel,
    status,
    list,
  },

  tick: tick({ tenants: 'tenants_with_due_schedules', needs: ['postgres', 'events'], handle: announceDue }),
  triggers: [due],
})
