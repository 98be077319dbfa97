/**
 * The manifest that `bottle init` writes.
 *
 * @since 0.1.0
 */

/**
 * A manifest with one empty bottle, and each key that there is on a line of comment. A line of comment whose first
 * character is a quote or a bracket is a part of the manifest that is commented out: all of them together are a manifest
 * too.
 *
 * @since 0.1.0
 * @category constants
 */
export const template = `{
  // Bottles and agents, by their names. Comments and trailing commas are taken; a key that is not known is an error.
  // bottle config prints what is made of this, and where each value comes from.
  // An editor helps with the keys after: bottle schema manifest > manifest.schema.json
  // "$schema": "./manifest.schema.json",
  "version": 1,

  // The bottle that bottle run, up and plan begin with when you name none.
  // "bottle": "dev",

  "bottles": {
    // bottle run --bottle dev -- COMMAND
    "dev": {
      // What to boot from. Without it: smolvm's own bare machine, or this machine's programs, read-only.
      // "image": "alpine:3.20",

      // Refuse to run where the guest would share the kernel of this machine.
      // "isolation": "microvm",

      // What runs it (smolvm, local, or the path of a program), where its proxy runs, how it reaches that.
      // "runtime": "smolvm",
      // "bundle": "process",
      // "topology": "socket",

      // "limits": { "cpus": 2, "mem": "2G" },
      // "workdir": "/work",

      "env": {
        // A literal can be seen by anyone who sees the command line.
        // "LANG": "C.UTF-8",
        // A variable of yours is passed on as a secret, and is never part of a command line.
        // "GITHUB_TOKEN": { "from": "GITHUB_TOKEN" },
      },

      "mounts": [
        // Absolute, or below your home directory.
        // { "host": "~/src/project", "guest": "/work", "readonly": true },
      ],

      // What it may reach: nothing that is not allowed here. In place of this a file beside the manifest may be named.
      "policy": {
        "allow": [
          // "example.com",
          // { "host": "api.example.com", "ports": [443] },
        ],
        // "deny": ["*.tracker.example.com"],
      },

      // bottle up takes it down after this long, and when nothing has happened in it for this long.
      // "ttl": "8h",
      // "idle": "30m",

      // bottle run ends the command after this long.
      // "timeout": "1h",
    },

    // A pack, as bottle commit writes one, boots faster than an image.
    // "packed": { "pack": "~/packs/dev.smolmachine" },
  },

  "agents": {
    // bottle run --agent claude --workspace . -- PROMPT
    // Claude Code and Codex are known (claude, codex). This one is Claude Code in the bottle above.
    // "claude": { "extends": "claude", "bottle": "dev" },

    // An agent of your own.
    // "helper": {
    //   "command": ["my-agent", "--yes"],
    // How it gets the prompt: "argument", "stdin", or behind a flag.
    //   "prompt": { "flag": "-p" },
    //   "bottle": "dev",
    //   "allow": ["docs.example.com"],
    // The key stays outside: the guest gets a local address in MY_API_URL, and the proxy adds the header.
    //   "credentials": {
    //     "api": {
    //       "source": { "env": "MY_API_KEY" },
    //       "header": "authorization",
    //       "prefix": "Bearer ",
    //       "upstream": "https://api.example.com",
    //       "baseUrlVariable": "MY_API_URL",
    //     },
    //   },
    //   "env": { "MY_AGENT_QUIET": "1" },
    // What --workspace DIR is where it does not say: a copy (copy), read-only (ro), or changed in place (rw).
    //   "workspace": "copy",
    // },
  },
}
`
