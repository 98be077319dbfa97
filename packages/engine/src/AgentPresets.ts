/**
 * Coding agents that need no entry in a manifest. An agent of the manifest with the same name replaces the preset, and
 * `extends` adds to it.
 *
 * Each speaks to its model through a credential: it is given a local base URL and a placeholder, and its API's host is in
 * no allow rule. What the programs themselves do with that is theirs, and changes with their releases;
 * `docs/guides/agents.md` says what of it was read where.
 *
 * @since 0.1.0
 */
import type { Agent } from "./Manifest.js"

/**
 * The names of the presets.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = "claude" | "codex"

/*
 * Codex takes its base URL from its configuration alone: its variable was removed (openai/codex pull request 16720), and
 * the built-in provider cannot be redefined. So a shell in the guest writes the variable into a provider of our own; what
 * comes after the script's name is the prompt, which the shell never reads as a script.
 */
const codex = [
  'if [ "$#" -gt 0 ]; then set -- exec --skip-git-repo-check "$@"; fi',
  `exec codex -c model_provider=bottle -c "model_providers.bottle={ name = 'bottle', base_url = '$OPENAI_BASE_URL', env_key = 'OPENAI_API_KEY', wire_api = 'responses' }" -c sandbox_mode=danger-full-access -c approval_policy=never -c check_for_update_on_startup=false -c analytics.enabled=false "$@"`
].join("\n")

/**
 * The agents that bottle knows.
 *
 * - `claude`: Claude Code. With a prompt it prints its answer and ends (`-p`); without one it is interactive
 * - `codex`: Codex. With a prompt it runs `codex exec`; without one it is interactive
 *
 * Neither asks before it changes a file or runs a command: what it must not do the bottle keeps it from. Neither looks for
 * updates or reports on its use.
 *
 * @since 0.1.0
 * @category constants
 */
export const presets: Readonly<Record<Name, Agent>> = {
  claude: {
    command: ["claude", "--dangerously-skip-permissions"],
    prompt: { flag: "-p" },
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      DISABLE_AUTOUPDATER: "1",
      DISABLE_TELEMETRY: "1",
      DISABLE_ERROR_REPORTING: "1",
      // In a microVM it is root, and then refuses not to ask, unless it is told that it is in a sandbox.
      IS_SANDBOX: "1"
    },
    credentials: {
      anthropic: {
        source: { env: "ANTHROPIC_API_KEY" },
        header: "x-api-key",
        upstream: "https://api.anthropic.com",
        baseUrlVariable: "ANTHROPIC_BASE_URL",
        placeholderVariable: "ANTHROPIC_API_KEY",
        paths: ["/v1/*"]
      }
    },
    workspace: "copy"
  },
  codex: {
    command: ["sh", "-c", codex, "codex"],
    prompt: "argument",
    credentials: {
      openai: {
        source: { env: "OPENAI_API_KEY" },
        header: "authorization",
        prefix: "Bearer ",
        upstream: "https://api.openai.com/v1",
        baseUrlVariable: "OPENAI_BASE_URL",
        placeholderVariable: "OPENAI_API_KEY"
      }
    },
    workspace: "copy"
  }
}
