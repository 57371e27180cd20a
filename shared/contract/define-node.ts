/** Declares a path handler: the aspects of one node, each with its contract. */
import { BASE_ASPECTS } from '../agentese/affordances.ts'
import { CATEGORIES } from '../agentese/category.ts'
import { checkEffects, isForced, scopesOf } from '../agentese/effects.ts'
import { parsePath } from '../agentese/path.ts'
import { Completion, InferenceFailure } from '../inference/messages.ts'
import { CATEGORY_NEEDS, permissionOf, type AnyAspect, type NodeContract } from './aspect.ts'
import { baseAspects } from './base-aspects.ts'
import { needsOf, trigger } from './define-operation.ts'
import { readExample } from './examples.ts'
import { type Authentication, DEFAULT_SCALE, type Method, nameOfNode } from './facts.ts'
import type { Endpoint, FunctionDefinition, Trigger } from './function.ts'
import { distinctNeeds } from './needs.ts'

export { aspect, NoInput } from './aspect.ts'

/**
 * Defines the function that serves `node` (`context.holon`). Its name is `context-holon`. A node such as `world.*`
 * serves every holon of its context that no other node has, and its name is `world`. Every node gets the base
 * aspects that it does not bring itself.
 *
 * @throws TypeError when the contract contradicts itself: a bad name, or an effect that the category forbids
 */
export function defineNode(node: string, contract: NodeContract): FunctionDefinition {
  const name = nameOfNode(node)
  const aspects = { ...baseAspects(node, contract), ...contract.aspects }
  const own = Object.entries(aspects).map(([verb, each]) => toEndpoint(node, verb, each))
  const endpoints = [...own, ...own.flatMap((each) => routeOf(each, aspects[each.aspect?.verb ?? '']) ?? [])]
  const triggers = [
    ...(endpoints.some(({ complete }) => complete !== undefined) ? resultsFor(name) : []),
    ...(contract.triggers ?? []),
  ]
  return {
    name,
    summary: contract.summary,
    needs: needsOf(endpoints, triggers, contract.tick),
    scale: { ...DEFAULT_SCALE, ...contract.scale },
    node,
    ...(contract.holons === undefined ? {} : { holons: contract.holons }),
    endpoints,
    triggers,
    ...(contract.tick === undefined ? {} : { tick: contract.tick }),
  }
}

function toEndpoint(node: string, verb: string, contract: AnyAspect): Endpoint {
  const path = `${node}.${verb}`
  parsePath(path.replace('*', 'any'))
  checkContract(path, contract)
  checkArchetypes(path, verb, contract.archetypes)
  const permission = permissionOf(contract)
  return {
    name: path,
    summary: contract.summary,
    method: 'POST',
    path: `/v1/agentese/${path.replace('*', ':holon').replaceAll('.', '/')}`,
    auth: authenticationOf(contract),
    ...(permission === undefined ? {} : { permission }),
    scopes: scopesOf(contract.effects),
    needs: distinctNeeds([
      ...(contract.guests === true ? [] : CATEGORY_NEEDS[contract.category]),
      ...(contract.needs ?? []),
    ]),
    input: contract.input,
    output: contract.output,
    examples: contract.examples.map(readExample),
    writes: CATEGORIES[contract.category].writes,
    transaction: contract.guests !== true && contract.transaction !== false,
    streams: contract.complete !== undefined,
    format: 'json',
    aspect: {
      path,
      node,
      verb,
      category: contract.category,
      effects: contract.effects,
      archetypes: contract.archetypes,
      ...(contract.cost === undefined
        ? {}
        : { cost: contract.cost as (input: unknown) => Record<string, number> }),
      ...(contract.secret === true ? { secret: true } : {}),
    },
    ...(contract.owner === undefined ? {} : { owner: contract.owner as never /* reason: as `AnyAspect` */ }),
    handle: contract.handle,
    ...(contract.complete === undefined ? {} : { complete: contract.complete }),
    ...(contract.recover === undefined ? {} : { recover: contract.recover }),
  }
}

/**
 * The second address of an aspect: the same endpoint but for where its input comes from, and what is answered of its result.
 *
 * @throws TypeError where a GET would change something, or the node serves open holons
 */
function routeOf(endpoint: Endpoint, contract: AnyAspect | undefined): Endpoint | undefined {
  if (contract?.route === undefined) return undefined
  const [method, path] = contract.route.split(' ') as [Method, string]
  if (method === 'GET' && endpoint.writes)
    throw new TypeError(`Cannot define "${endpoint.name}": a GET must not change anything`)
  if (endpoint.name.includes('*'))
    throw new TypeError(`Cannot define "${endpoint.name}": what serves open holons has no route`)
  const creates = contract.creates === true ? `${path}/:id` : contract.creates
  return {
    ...endpoint,
    name: `${endpoint.name}.route`,
    method,
    path,
    ...(creates === undefined ? {} : { statuses: [200, 201] }),
    route: creates === undefined ? {} : { creates },
  }
}

function authenticationOf({ guests }: AnyAspect): Authentication {
  return guests === true ? 'optional' : 'required'
}

/** @throws TypeError where a contract must not be served */
function checkContract(path: string, contract: AnyAspect): void {
  const { category, effects, cost, owner, transaction } = contract
  checkEffects(path, category, effects)
  if (transaction === false && owner !== undefined)
    throw new TypeError(
      `Cannot define "${path}": consent is looked up in the transaction that it does without`,
    )
  if (effects.some((effect) => /^(calls|charges):/.test(effect)) && cost === undefined)
    throw new TypeError(`Cannot define "${path}": what calls or charges must say its cost`)
  if (isForced(effects) !== (owner !== undefined))
    throw new TypeError(
      `Cannot define "${path}": what forces must say whose consent it takes, and nothing else may`,
    )
}

/** @throws TypeError where nobody is named who has the verb, or where a base verb is not everybody's */
function checkArchetypes(path: string, verb: string, archetypes: AnyAspect['archetypes'] | undefined): void {
  if (archetypes === undefined || archetypes.length === 0)
    throw new TypeError(`Cannot define "${path}": archetypes is required: name those that have it, or 'all'`)
  if (archetypes !== 'all' && BASE_ASPECTS.includes(verb))
    throw new TypeError(
      `Cannot define "${path}": "${verb}" belongs to everybody, so archetypes must be 'all'`,
    )
}

/** The events by which a node that asks models gets their answers. */
function resultsFor(name: string): Trigger[] {
  return [
    trigger({
      name: 'completed',
      attributes: { type: 'io.kgents.inference.completed', function: name },
      needs: ['postgres', 'jobs'],
      data: Completion,
      async handle(completion, { endJob }) {
        await endJob({ job: completion.job, how: 'completed', completion })
      },
    }),
    trigger({
      name: 'failed',
      attributes: { type: 'io.kgents.inference.failed', function: name },
      needs: ['postgres', 'jobs'],
      data: InferenceFailure,
      async handle({ job, reason, code, tokens }, { endJob }) {
        await endJob({ job, how: 'failed', reason, code, tokens })
      },
    }),
  ]
}
