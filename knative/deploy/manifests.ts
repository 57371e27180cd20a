/** What is to be on the cluster: a folder as kustomize builds it, sorted into the steps of a deploy. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { kustomize, readObjects } from '../kustomize.ts'
import { PART_LABEL } from '../target.ts'
import { UsageError } from '../usage-error.ts'
import { SERVICE, type ClusterObject, type Deployment, type Job, type Service } from './objects.ts'

export interface Manifests {
  /** What must be there before all else: namespaces, settings, policies. */
  before: ClusterObject[]
  /** Run to their end, one after the other: the database before what uses it. */
  jobs: Job[]
  services: Service[]
  /** What makes use of the new functions: Triggers. */
  after: ClusterObject[]
  parts: Deployment[]
  /** Names of Deployments of which KEDA or Kubernetes decides how many pods they have. */
  scaled: Set<string>
}

/** Jobs that are not in the folder's kustomization, because a Job cannot be changed by apply. */
const JOB_FILES = ['base/setup.yaml']

/**
 * Reads `build/manifests` as `npm run cluster:manifests -- --out` writes it.
 *
 * @throws UsageError where there is nothing to deploy
 */
export async function readManifests(folder: string, overlay: string): Promise<ClusterObject[]> {
  const path = join(folder, 'overlays', overlay)
  if (!(await stat(path).catch(() => undefined))?.isDirectory())
    throw new UsageError(
      `Cannot deploy "${path}": no such folder; npm run cluster:manifests -- --out writes it`,
    )
  const built = await kustomize<ClusterObject>(path)
  const texts = await Promise.all(JOB_FILES.map((file) => readFile(join(folder, file), 'utf8')))
  return [...built, ...texts.flatMap((text) => readObjects<ClusterObject>(text))]
}

const RIGHTS = 'rbac.authorization.k8s.io/'

/**
 * Those in one namespace but for rights, which nobody gives to themselves; or some functions alone.
 *
 * @throws UsageError where there is no such function
 */
export function select(
  objects: readonly ClusterObject[],
  { namespace, only }: { namespace?: string | undefined; only?: readonly string[] | undefined },
): ClusterObject[] {
  const inside = objects.filter(
    ({ apiVersion, metadata }) =>
      namespace === undefined || (metadata.namespace === namespace && !apiVersion.startsWith(RIGHTS)),
  )
  if (only === undefined) return inside
  const functions = inside.filter(isService)
  const unknown = only.filter((name) => !functions.some(({ metadata }) => metadata.name === name))
  if (unknown.length > 0) throw new UsageError(`Cannot deploy ${unknown.join(', ')}: no such function`)
  return functions.filter(({ metadata }) => only.includes(metadata.name))
}

/** The same objects, by the step in which they come. */
export function sortManifests(objects: readonly ClusterObject[]): Manifests {
  const scaled = new Set(objects.filter(isScaler).map(({ spec }) => spec.scaleTargetRef.name))
  const manifests: Manifests = { before: [], jobs: [], services: [], after: [], parts: [], scaled }
  for (const object of objects) {
    if (isService(object)) manifests.services.push(object)
    else if (isJob(object)) manifests.jobs.push(object)
    else if (isPart(object)) manifests.parts.push(object)
    else if (object.kind === 'Trigger') manifests.after.push(object)
    else manifests.before.push(object)
  }
  return manifests
}

const isService = (object: ClusterObject): object is Service =>
  object.kind === SERVICE.kind && object.apiVersion === SERVICE.apiVersion
const isJob = (object: ClusterObject): object is Job => object.kind === 'Job'

function isPart(object: ClusterObject): object is Deployment {
  if (object.kind !== 'Deployment') return false
  // The kind says that it is one.
  const { spec } = object as Deployment
  return spec.template.metadata?.labels?.[PART_LABEL] !== undefined
}

const isScaler = (
  object: ClusterObject,
): object is ClusterObject & { spec: { scaleTargetRef: { name: string } } } =>
  object.kind === 'ScaledObject' || object.kind === 'HorizontalPodAutoscaler'
