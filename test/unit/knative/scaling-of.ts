/** A function's scaling for tests: Knative's defaults, but for the annotations that a test is about. */
import { servicesOf } from '../../../knative/manifests.ts'
import type { KnativeService } from '../../../knative/objects.ts'
import { readScaling, type Scaling } from '../../../knative/local/serving/scaling.ts'

export function serviceWith(annotations: Record<string, string>, containerConcurrency = 0): KnativeService {
  const scale = { containerConcurrency, timeoutSeconds: 60, maxScale: 0, target: 100, targetBurstCapacity: 0 }
  const [service] = servicesOf([{ name: 'hello', needs: [], triggers: [], scale }])
  if (service === undefined) throw new TypeError('no service')
  const prefixed = Object.entries(annotations).map(([name, value]) => [
    `autoscaling.knative.dev/${name}`,
    value,
  ])
  service.spec.template.metadata.annotations = Object.fromEntries(prefixed)
  return service
}

export function scalingWith(annotations: Record<string, string>, containerConcurrency = 0): Scaling {
  return readScaling(serviceWith(annotations, containerConcurrency))
}
