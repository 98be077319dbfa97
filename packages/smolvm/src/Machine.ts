/**
 * A machine as `machine ls --json` and `machine status --json` describe it: the same object in both, on every release
 * line, with more fields on the later ones.
 *
 * No release tells the egress policy, the network backend, the directories or the variables of a machine.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { absentOr } from "./internal/fields.js"

/**
 * A machine as smolvm describes it. Fields that are not named here are ignored, and all but `name` and `state` may be
 * missing, which is `null`: releases add fields.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Machine = Schema.Struct({
  /** What every call takes for this machine. */
  name: Schema.String,
  /** `created`, `running`, `stopped`, `failed`, `unreachable`, from 1.3.0 `frozen`; newer releases have other words. */
  state: Schema.String,
  /** Virtual processors. */
  cpus: absentOr(Schema.Number),
  /** Memory in MiB. */
  memoryMib: absentOr(Schema.Number).pipe(Schema.fromKey("memory_mib")),
  /** The process on the host that is the machine; `null` where it does not run. */
  pid: absentOr(Schema.Number),
  /** How many directories of the host are mounted; which ones no release tells. */
  mountCount: absentOr(Schema.Number).pipe(Schema.fromKey("mounts")),
  /** How many ports are published; which ones no release tells. */
  portCount: absentOr(Schema.Number).pipe(Schema.fromKey("ports")),
  /** Seconds since 1970. */
  createdAtSeconds: absentOr(Schema.Number).pipe(Schema.fromKey("created_at")),
  /** Size of the machine's storage in GiB; `null` where smolvm does not say. */
  storageGib: absentOr(Schema.Number).pipe(Schema.fromKey("storage_gb")),
  /** Size of the writable layer in GiB; `null` where smolvm does not say. */
  overlayGib: absentOr(Schema.Number).pipe(Schema.fromKey("overlay_gb")),
  /** The image that it was made from; `null` for a bare machine. */
  image: absentOr(Schema.String),
  /** The program that `command` is given to, as the image or the pack says. */
  entrypoint: absentOr(Schema.Array(Schema.String)),
  /** What the machine runs when it starts (`cmd`). */
  command: absentOr(Schema.Array(Schema.String)).pipe(Schema.fromKey("cmd")),
  /** Whether the machine goes when its command ends: one of `machine run`. */
  ephemeral: absentOr(Schema.Boolean),
  /** Whether it has a virtual GPU. */
  gpu: absentOr(Schema.Boolean),
  /** Memory of the virtual GPU in MiB. */
  gpuVramMib: absentOr(Schema.Number).pipe(Schema.fromKey("gpu_vram_mib")),
  /** `never`, `always`, `on-failure` or `unless-stopped`; newer releases may have other words. */
  restartPolicy: absentOr(Schema.String).pipe(Schema.fromKey("restart_policy")),
  /** How often it is started again at most; a Smolfile's `[restart]`. */
  restartRetriesMax: absentOr(Schema.Number).pipe(Schema.fromKey("restart_max_retries")),
  /** How often it was started again. */
  restartCount: absentOr(Schema.Number).pipe(Schema.fromKey("restart_count")),
  /** The command whose exit code 0 means that the machine is well; a Smolfile's `[health]`, as those that follow. */
  healthCmd: absentOr(Schema.String).pipe(Schema.fromKey("health_cmd")),
  /** The time between two looks, in seconds. */
  healthIntervalSeconds: absentOr(Schema.Number).pipe(Schema.fromKey("health_interval_secs")),
  /** How long that command may take, in seconds. */
  healthTimeoutSeconds: absentOr(Schema.Number).pipe(Schema.fromKey("health_timeout_secs")),
  /** How often that command may fail in a row. */
  healthRetries: absentOr(Schema.Number).pipe(Schema.fromKey("health_retries")),
  /** How long after a start a failure does not count, in seconds. */
  healthStartupGraceSeconds: absentOr(Schema.Number).pipe(Schema.fromKey("health_startup_grace_secs")),
  /** Whether it has a network; what of it may be reached no release tells. */
  network: absentOr(Schema.Boolean),
  /** Whether it is a clone that is held at the point of its fork, from 1.7.2. */
  forkpointHeld: absentOr(Schema.Boolean).pipe(Schema.fromKey("forkpoint_held")),
  /** Whether the guest has CUDA, from 1.8.0, as the three that follow. */
  cuda: absentOr(Schema.Boolean),
  /** Whether it was started so that it can be forked. */
  forkable: absentOr(Schema.Boolean),
  /** How many clones share its CUDA memory. */
  cudaForkPoolSize: absentOr(Schema.Number).pipe(Schema.fromKey("cuda_fork_pool_size")),
  /** The most CUDA memory of each clone, in MiB. */
  cudaVramLimitMib: absentOr(Schema.Number).pipe(Schema.fromKey("cuda_vram_limit_mib")),
  /** What `labels` of create gave it, from 1.8.0; empty where there is none. */
  labels: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), {
    default: () => ({}),
    nullable: true
  })
})

/**
 * A machine as smolvm describes it.
 *
 * @since 0.1.0
 * @category models
 */
export type Machine = typeof Machine.Type
