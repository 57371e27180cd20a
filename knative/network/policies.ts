/**
 * The network policies of the namespace: nothing is let through but what the contracts of functions and parts name.
 * Policies add up, so what one deployment reaches besides (a database elsewhere, say) is one more policy.
 */
import type { Component, Reach } from '../../shared/contract/component.ts'
import type { FunctionFacts } from '../../shared/contract/facts.ts'
import { dependenciesOf, type Dependency } from '../../shared/contract/needs.ts'
import type { NetworkPolicy, Peer, Port, Selector } from '../part-objects.ts'
import { DEFAULT_TARGET, FUNCTION_LABEL, PART_LABEL, PART_OF, type Target } from '../target.ts'
import { CALLERS_OF_FUNCTIONS, OBSERVABILITY, PLACES, type Place } from './places.ts'

type ReachingFunction = Pick<FunctionFacts, 'name' | 'needs'>
type Spec = NetworkPolicy['spec']

/** The policies of all functions of `catalog` and of all `components`. */
export function networkPoliciesOf(
  catalog: readonly ReachingFunction[],
  components: readonly Component[],
  target = DEFAULT_TARGET,
): NetworkPolicy[] {
  return [
    policy('default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }, target),
    policy('dns', { podSelector: {}, policyTypes: ['Egress'], egress: [egressTo(PLACES.dns)] }, target),
    policy('functions', FUNCTIONS, target),
    ...catalog.flatMap((definition) => functionPolicies(definition, components, target)),
    ...components.map((component) => partPolicy(component, catalog, components, target)),
  ]
}

export function policy(name: string, spec: Spec, { namespace }: Target): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels: PART_OF },
    spec,
  }
}

/** What all functions have in common: who calls them, and that they send spans. */
const FUNCTIONS: Spec = {
  podSelector: { matchExpressions: [{ key: FUNCTION_LABEL, operator: 'Exists' }] },
  policyTypes: ['Ingress', 'Egress'],
  ingress: CALLERS_OF_FUNCTIONS.map(({ peers, ports }) => ({ from: peers, ports })),
  egress: [egressTo(PLACES.telemetry)],
}

function functionPolicies(
  { name, needs }: ReachingFunction,
  components: readonly Component[],
  target: Target,
): NetworkPolicy[] {
  const dependencies = dependenciesOf(needs)
  if (dependencies.length === 0) return []
  const spec: Spec = {
    podSelector: { matchLabels: { [FUNCTION_LABEL]: name } },
    policyTypes: ['Egress'],
    egress: dependencies.flatMap((each) => placesOf(each, components)).map(egressTo),
  }
  return [policy(`function-${name}`, spec, target)]
}

/** The parts that serve it; what no part serves is elsewhere. */
function placesOf(dependency: Dependency, components: readonly Component[]): Place[] {
  const serving = components.filter(({ serves }) => serves === dependency)
  return serving.length > 0 ? serving.map(placeOf) : [PLACES[dependency]]
}

function partPolicy(
  component: Component,
  catalog: readonly ReachingFunction[],
  components: readonly Component[],
  target: Target,
): NetworkPolicy {
  const spec: Spec = {
    podSelector: { matchLabels: { [PART_LABEL]: component.name } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: ingressOf(component, catalog, components),
    egress: component.reaches.flatMap((reach) => placesOfReach(reach, components)).map(egressTo),
  }
  return policy(`part-${component.name}`, spec, target)
}

function placesOfReach(reach: Reach | 'nats', components: readonly Component[]): Place[] {
  return reach === 'parts' ? components.filter(hasRoutes).map(placeOf) : [PLACES[reach]]
}

function ingressOf(
  component: Component,
  catalog: readonly ReachingFunction[],
  components: readonly Component[],
): NonNullable<Spec['ingress']> {
  const { ports } = placeOf(component)
  const { serves, health, open } = component
  const functions = catalog.filter(({ needs }) => dependenciesOf(needs).some((each) => each === serves))
  const routing = hasRoutes(component) ? components.filter(({ reaches }) => reaches.includes('parts')) : []
  const callers = [
    ...anyOf(
      FUNCTION_LABEL,
      functions.map(({ name }) => name),
    ),
    ...anyOf(
      PART_LABEL,
      routing.map(({ name }) => name),
    ),
  ]
  const metrics: Port[] = health.port === undefined ? ports : [{ protocol: 'TCP', port: health.port }]
  return [
    ...(open ? [{ ports }] : []),
    ...(callers.length === 0 ? [] : [{ from: callers, ports }]),
    { from: [OBSERVABILITY], ports: metrics },
  ]
}

/** Whether the gateway sends it requests. */
function hasRoutes({ endpoints, waits }: Component): boolean {
  return endpoints.length > 0 || waits !== undefined
}

function placeOf({ name, port }: Component): Place {
  return {
    peers: [{ podSelector: { matchLabels: { [PART_LABEL]: name } } }],
    ports: [{ protocol: 'TCP', port }],
  }
}

/** Pods of this namespace with one of these names. */
function anyOf(key: string, values: string[]): Peer[] {
  const podSelector: Selector = { matchExpressions: [{ key, operator: 'In', values }] }
  return values.length === 0 ? [] : [{ podSelector }]
}

function egressTo({ peers, ports }: Place): NonNullable<Spec['egress']>[number] {
  return { to: peers, ports }
}
