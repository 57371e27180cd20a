/** The Services that run, with another image and nothing else changed. */
import type { Api } from './api.ts'
import { SERVICE, type Service, type Template } from './objects.ts'
import { FUNCTION_LABEL } from '../target.ts'
import { LAST_APPLIED } from './service-state.ts'

/** The Services of functions in `namespace`, as if their manifests had been rendered with `image`. */
export async function withImage(api: Api, namespace: string, image: string): Promise<Service[]> {
  const services = await api.list<Service>(SERVICE, namespace, 'app.kubernetes.io/part-of=kgents')
  return services
    .filter(({ spec }) => spec.template.metadata?.labels?.[FUNCTION_LABEL] !== undefined)
    .map((service) => manifestOf(service))
    .map((service) => ({ ...service, spec: { template: replaceImage(service.spec.template, image) } }))
}

/** What was applied last; where nobody has, the object itself without what the cluster adds. */
function manifestOf({ apiVersion, kind, metadata, spec }: Service): Service {
  const applied = metadata.annotations?.[LAST_APPLIED]
  // kubectl, kn and we write the manifest there.
  if (applied !== undefined) return JSON.parse(applied) as Service
  const { name, namespace, labels } = metadata
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
    },
    spec: { template: spec.template },
  }
}

function replaceImage(template: Template, image: string): Template {
  const containers = template.spec.containers.map((container) => ({ ...container, image }))
  return { ...template, spec: { ...template.spec, containers } }
}
