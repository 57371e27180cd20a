/** Delivers an event to a function as a Trigger does: in binary mode, with the signature that it has. */
import type { DeliveryAnswer } from '../contract/platform.ts'
import { toBinary } from '../events/binary-form.ts'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import type { CallFunction } from './call-function.ts'

/** @param isFunction whether there is a function of that name; nothing else is delivered to */
export function createDelivery(isFunction: (name: string) => boolean, callFunction: CallFunction) {
  return async (name: string, event: KgentsEvent, signal: AbortSignal): Promise<DeliveryAnswer> => {
    if (!isFunction(name)) {
      throw new Failure(
        'STATE_CONFLICT',
        `Cannot deliver event "${event.id}": there is no function "${name}"`,
      )
    }
    const { headers, contentType, body } = toBinary(event)
    const type = contentType === undefined ? {} : { 'content-type': contentType }
    const answer = await callFunction(name, {
      method: 'POST',
      path: '/events',
      headers: { ...headers, ...type },
      body,
      signal,
    })
    return { status: answer.status, body: answer.body }
  }
}
