import type { Machine } from "../../FakeMachine.js"
import type { Release } from "./release.js"

/** A machine as `machine ls --json` and `machine status --json` show it. */
export const machineJson = ({ since }: Release, machine: Machine): Readonly<Record<string, unknown>> => ({
  name: machine.name,
  // Releases before 1.3.0 do not have the word.
  state: machine.state === "frozen" && !since("1.3.0") ? "running" : machine.state,
  cpus: machine.cpus,
  memory_mib: machine.memoryMib,
  pid: machine.pid,
  mounts: machine.volumes.length,
  ports: machine.ports.length,
  created_at: machine.createdAtSeconds,
  storage_gb: machine.storageGib,
  overlay_gb: machine.overlayGib,
  image: machine.image,
  entrypoint: machine.entrypoint,
  cmd: machine.cmd,
  ephemeral: machine.ephemeral,
  gpu: machine.gpu,
  gpu_vram_mib: machine.gpuVramMib,
  restart_policy: "never",
  restart_max_retries: 0,
  restart_count: 0,
  health_cmd: null,
  health_interval_secs: null,
  health_timeout_secs: null,
  health_retries: null,
  health_startup_grace_secs: null,
  network: machine.network,
  ...(since("1.7.2") ? { forkpoint_held: machine.forkpointHeld } : {}),
  ...(since("1.8.0")
    ? {
        cuda: machine.cuda,
        forkable: machine.forkable,
        cuda_fork_pool_size: machine.forkPoolSize,
        cuda_vram_limit_mib: machine.cudaVramLimitMib,
        labels: machine.labels
      }
    : {})
})
