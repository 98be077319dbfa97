// Written by scripts/generate-grammar.mjs from src/grammar/contract.json. Do not edit.
import type { Contract } from "./contractTypes.js"

/** The grammar of every release line (`commands` are indices into `definitions`), and what changed at each tag. */
export const contract: Contract = {
  definitions: [
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "string"
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--detach",
          short: "-d",
          type: "flag"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net",
          hidden: true
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          shortAliases: ["-s"]
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--docker-config",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: true,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--name",
          value: "NAME",
          type: "string"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--stream",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "NAME",
          required: false,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net",
          hidden: true
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--init",
          value: "COMMAND",
          type: "string",
          repeatable: true
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: ["--image", "--smolfile"]
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        }
      ]
    },
    {
      aliases: ["rm"],
      positionals: [
        {
          name: "NAME",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--force",
          short: "-f",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--json",
          type: "flag"
        }
      ]
    },
    {
      aliases: ["list"],
      positionals: [],
      options: [
        {
          long: "--verbose",
          short: "-v",
          type: "flag"
        },
        {
          long: "--json",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "NAME",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--remove-volume",
          value: "HOST:GUEST",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--remove-port",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32"
        },
        {
          long: "--net",
          type: "flag",
          conflictsWith: ["--no-net"]
        },
        {
          long: "--no-net",
          type: "flag",
          conflictsWith: ["--net"]
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--remove-env",
          value: "KEY",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--gpu",
          type: "flag",
          conflictsWith: ["--no-gpu"]
        },
        {
          long: "--no-gpu",
          type: "flag",
          conflictsWith: ["--gpu"]
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--json",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--dry-run",
          type: "flag"
        },
        {
          long: "--all",
          type: "flag"
        }
      ]
    },
    {
      aliases: ["sh"],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "SRC",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        },
        {
          name: "DST",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: []
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--restart",
          value: "POLICY",
          type: "string"
        },
        {
          long: "--health-cmd",
          value: "CMD",
          type: "string"
        },
        {
          long: "--health-timeout",
          value: "SECS",
          type: "u64",
          default: "5"
        },
        {
          long: "--interval",
          value: "SECS",
          type: "u64",
          default: "5"
        },
        {
          long: "--health-retries",
          value: "N",
          type: "u32",
          default: "3"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "NAME",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: []
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "string",
          conflictsWith: ["--from-vm"],
          requiredUnlessPresentAny: ["--from-vm", "--smolfile"]
        },
        {
          long: "--from-vm",
          value: "VM_NAME",
          type: "string",
          conflictsWith: ["--image"]
        },
        {
          long: "--output",
          short: "-o",
          value: "PATH",
          type: "path",
          required: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string"
        },
        {
          long: "--entrypoint",
          value: "CMD",
          type: "string"
        },
        {
          long: "--no-sign",
          type: "flag"
        },
        {
          long: "--single-file",
          type: "flag"
        },
        {
          long: "--stub",
          value: "PATH",
          type: "path",
          hidden: true
        },
        {
          long: "--lib-dir",
          value: "DIR",
          type: "path",
          hidden: true
        },
        {
          long: "--rootfs-dir",
          value: "DIR",
          type: "path",
          hidden: true
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          shortAliases: ["-s"]
        },
        {
          long: "--gpu",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--sidecar",
          value: "PATH",
          type: "path"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net",
          hidden: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--force-extract",
          type: "flag"
        },
        {
          long: "--info",
          type: "flag"
        },
        {
          long: "--debug",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "REFERENCE",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--file",
          short: "-f",
          value: "PATH",
          type: "path",
          required: true
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "REFERENCE",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--output",
          short: "-o",
          value: "PATH",
          type: "path"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "REFERENCE",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--json",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--keep",
          value: "N",
          type: "usize",
          default: "5"
        },
        {
          long: "--all",
          type: "flag"
        },
        {
          long: "--dry-run",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString"
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--detach",
          short: "-d",
          type: "flag"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net",
          hidden: true
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          shortAliases: ["-s"]
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--docker-config",
          type: "flag"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "NAME",
          required: false,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net",
          hidden: true
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--init",
          value: "COMMAND",
          type: "string",
          repeatable: true
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: ["--image", "--smolfile"]
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "string",
          conflictsWith: ["--from-vm"],
          requiredUnlessPresentAny: ["--from-vm", "--smolfile"]
        },
        {
          long: "--from-vm",
          value: "VM_NAME",
          type: "string",
          conflictsWith: ["--image"]
        },
        {
          long: "--output",
          short: "-o",
          value: "PATH",
          type: "path",
          required: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string"
        },
        {
          long: "--entrypoint",
          value: "CMD",
          type: "string"
        },
        {
          long: "--no-sign",
          type: "flag"
        },
        {
          long: "--single-file",
          type: "flag"
        },
        {
          long: "--stub",
          value: "PATH",
          type: "path",
          hidden: true
        },
        {
          long: "--lib-dir",
          value: "DIR",
          type: "path",
          hidden: true
        },
        {
          long: "--rootfs-dir",
          value: "DIR",
          type: "path",
          hidden: true
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          shortAliases: ["-s"]
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: [
            "--allow-cidr",
            "--allow-host",
            "--detach",
            "--gpu",
            "--gpu-vram",
            "--image",
            "--name",
            "--oci-platform",
            "--outbound-localhost-only",
            "--secret-env",
            "--secret-file",
            "--smolfile"
          ]
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--detach",
          short: "-d",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--outbound-localhost-only",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--gpu",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0",
          conflictsWith: ["--from"]
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--docker-config",
          type: "flag"
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: true,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--name",
          value: "NAME",
          type: "string"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--stream",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: false,
          requiresDoubleDash: true
        }
      ],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--init",
          value: "COMMAND",
          type: "string",
          repeatable: true
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: ["--image", "--smolfile"]
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--forkable",
          type: "flag"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--golden",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--forkable",
          type: "flag"
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        }
      ]
    },
    {
      aliases: ["rm"],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--force",
          short: "-f",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--remove-volume",
          value: "HOST:GUEST",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--remove-port",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32"
        },
        {
          long: "--net",
          type: "flag",
          conflictsWith: ["--no-net"]
        },
        {
          long: "--no-net",
          type: "flag",
          conflictsWith: ["--net"]
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--remove-env",
          value: "KEY",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--gpu",
          type: "flag",
          conflictsWith: ["--no-gpu"]
        },
        {
          long: "--no-gpu",
          type: "flag",
          conflictsWith: ["--gpu"]
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--sidecar",
          value: "PATH",
          type: "path"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--force-extract",
          type: "flag"
        },
        {
          long: "--info",
          type: "flag"
        },
        {
          long: "--debug",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--max-image-size",
          value: "SIZE",
          type: "bytesize"
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: [
            "--allow-cidr",
            "--allow-host",
            "--detach",
            "--gpu",
            "--gpu-vram",
            "--image",
            "--name",
            "--oci-platform",
            "--outbound-localhost-only",
            "--secret-env",
            "--secret-file",
            "--smolfile"
          ]
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--detach",
          short: "-d",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--dns",
          value: "IP",
          type: "ipv4"
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--outbound-localhost-only",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--gpu",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0",
          conflictsWith: ["--from"]
        },
        {
          long: "--rosetta",
          type: "flag"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--cuda",
          type: "flag"
        },
        {
          long: "--docker-config",
          type: "flag"
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--no-init-cache",
          type: "flag"
        },
        {
          long: "--rebuild-init-cache",
          type: "flag"
        },
        {
          long: "--unprivileged",
          type: "flag"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: true,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--name",
          value: "NAME",
          type: "string"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag",
          conflictsWith: ["--detach"]
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag",
          conflictsWith: ["--detach"]
        },
        {
          long: "--stream",
          type: "flag",
          conflictsWith: ["--detach"]
        },
        {
          long: "--detach",
          short: "-d",
          type: "flag",
          conflictsWith: ["--interactive", "--stream", "--tty"]
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: false,
          requiresDoubleDash: true
        }
      ],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--max-image-size",
          value: "SIZE",
          type: "bytesize"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--dns",
          value: "IP",
          type: "ipv4"
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--rosetta",
          type: "flag"
        },
        {
          long: "--init",
          value: "COMMAND",
          type: "string",
          repeatable: true
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--cuda",
          type: "flag"
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: ["--image", "--smolfile"]
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--remove-volume",
          value: "HOST:GUEST",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--remove-port",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32"
        },
        {
          long: "--net",
          type: "flag",
          conflictsWith: ["--no-net"]
        },
        {
          long: "--no-net",
          type: "flag",
          conflictsWith: ["--net"]
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--remove-env",
          value: "KEY",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--gpu",
          type: "flag",
          conflictsWith: ["--no-gpu"]
        },
        {
          long: "--no-gpu",
          type: "flag",
          conflictsWith: ["--gpu"]
        },
        {
          long: "--rosetta",
          type: "flag",
          conflictsWith: ["--no-rosetta"]
        },
        {
          long: "--no-rosetta",
          type: "flag",
          conflictsWith: ["--rosetta"]
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "string",
          conflictsWith: ["--from-vm"],
          requiredUnlessPresentAny: ["--from-vm", "--smolfile"]
        },
        {
          long: "--from-vm",
          value: "VM_NAME",
          type: "string",
          conflictsWith: ["--image"]
        },
        {
          long: "--rebase-from-image",
          type: "flag",
          requires: ["--from-vm"]
        },
        {
          long: "--output",
          short: "-o",
          value: "PATH",
          type: "path",
          required: true
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string"
        },
        {
          long: "--entrypoint",
          value: "CMD",
          type: "string"
        },
        {
          long: "--no-sign",
          type: "flag"
        },
        {
          long: "--single-file",
          type: "flag"
        },
        {
          long: "--stub",
          value: "PATH",
          type: "path",
          hidden: true
        },
        {
          long: "--lib-dir",
          value: "DIR",
          type: "path",
          hidden: true
        },
        {
          long: "--rootfs-dir",
          value: "DIR",
          type: "path",
          hidden: true
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          shortAliases: ["-s"]
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--staging-dir",
          value: "DIR",
          type: "path"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--max-image-size",
          value: "SIZE",
          type: "bytesize"
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: [
            "--allow-cidr",
            "--allow-host",
            "--detach",
            "--gpu",
            "--gpu-vram",
            "--image",
            "--name",
            "--oci-platform",
            "--outbound-localhost-only",
            "--secret-env",
            "--secret-file",
            "--smolfile"
          ]
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--detach",
          short: "-d",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--oci-platform",
          value: "OS/ARCH",
          type: "string",
          conflictsWith: ["--from"]
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--dns",
          value: "IP",
          type: "ipv4"
        },
        {
          long: "--network",
          value: "NAME",
          type: "string"
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--outbound-localhost-only",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--gpu",
          type: "flag",
          conflictsWith: ["--from"]
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0",
          conflictsWith: ["--from"]
        },
        {
          long: "--rosetta",
          type: "flag"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--cuda",
          type: "flag"
        },
        {
          long: "--auto-graph",
          type: "flag"
        },
        {
          long: "--docker-socket",
          type: "flag"
        },
        {
          long: "--docker-config",
          type: "flag"
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true,
          conflictsWith: ["--from"]
        },
        {
          long: "--no-init-cache",
          type: "flag"
        },
        {
          long: "--rebuild-init-cache",
          type: "flag"
        },
        {
          long: "--oci-cache",
          type: "flag"
        },
        {
          long: "--unprivileged",
          type: "flag"
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: false,
          requiresDoubleDash: true
        }
      ],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--label",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--image",
          short: "-I",
          value: "IMAGE",
          type: "nonEmptyString",
          conflictsWith: ["--from"]
        },
        {
          long: "--max-image-size",
          value: "SIZE",
          type: "bytesize"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8",
          default: "4"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32",
          default: "8192"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST|REMOTE:GUEST[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--dns",
          value: "IP",
          type: "ipv4"
        },
        {
          long: "--network",
          value: "NAME",
          type: "string"
        },
        {
          long: "--allow-cidr",
          value: "CIDR",
          type: "cidr",
          repeatable: true
        },
        {
          long: "--allow-host",
          value: "HOSTNAME",
          type: "string",
          repeatable: true
        },
        {
          long: "--outbound-localhost-only",
          type: "flag"
        },
        {
          long: "--gpu",
          type: "flag"
        },
        {
          long: "--gpu-vram",
          value: "MiB",
          type: "u32>0"
        },
        {
          long: "--rosetta",
          type: "flag"
        },
        {
          long: "--expose-socket",
          value: "GUEST_PATH[:HOST_PATH]",
          type: "string",
          repeatable: true
        },
        {
          long: "--mount-socket",
          value: "HOST_PATH:GUEST_PATH",
          type: "string",
          repeatable: true
        },
        {
          long: "--init",
          value: "COMMAND",
          type: "string",
          repeatable: true
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--ssh-agent",
          type: "flag"
        },
        {
          long: "--cuda",
          type: "flag"
        },
        {
          long: "--auto-graph",
          type: "flag"
        },
        {
          long: "--docker-socket",
          type: "flag"
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true
        },
        {
          long: "--smolfile",
          value: "PATH",
          type: "path",
          conflictsWith: ["--from"],
          shortAliases: ["-s"]
        },
        {
          long: "--from",
          value: "PATH",
          type: "path",
          conflictsWith: ["--image", "--smolfile"]
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--forkable",
          type: "flag"
        },
        {
          long: "--fork-pool-size",
          value: "CLONES",
          type: "u32>0"
        },
        {
          long: "--cuda-vram-limit-mib",
          value: "MIB",
          type: "u64>0",
          requires: ["--fork-pool-size"]
        },
        {
          long: "--proxy",
          value: "URL",
          type: "string"
        },
        {
          long: "--no-proxy",
          value: "LIST",
          type: "string"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--golden",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--count",
          value: "COUNT",
          type: "u32>0",
          default: "1"
        },
        {
          long: "--name-prefix",
          value: "PREFIX",
          type: "string"
        },
        {
          long: "--parallel",
          value: "COUNT",
          type: "u32>0",
          default: "4"
        },
        {
          long: "--wait-ready",
          type: "flag"
        },
        {
          long: "--hold",
          type: "flag"
        },
        {
          long: "--ready-timeout",
          value: "DURATION",
          type: "duration",
          default: "10m"
        },
        {
          long: "--forkable",
          type: "flag"
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--share-weights",
          type: "flag"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-env",
          value: "GUEST_VAR=HOST_VAR",
          type: "string",
          repeatable: true
        },
        {
          long: "--secret-file",
          value: "GUEST_VAR=PATH",
          type: "string",
          repeatable: true
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        }
      ]
    },
    {
      aliases: ["rm"],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string",
          required: true
        },
        {
          long: "--force",
          short: "-f",
          type: "flag"
        },
        {
          long: "--cascade",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [],
      options: [
        {
          long: "--name",
          short: "-n",
          value: "NAME",
          type: "string"
        },
        {
          long: "--limit",
          value: "LIMIT",
          type: "usize",
          default: "200"
        },
        {
          long: "--json",
          type: "flag"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "SRC",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        },
        {
          name: "DST",
          required: true,
          variadic: false,
          trailing: false,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--mode",
          value: "OCTAL",
          type: "string"
        },
        {
          long: "--uid",
          value: "UID",
          type: "u32"
        },
        {
          long: "--gid",
          value: "GID",
          type: "u32"
        }
      ]
    },
    {
      aliases: [],
      positionals: [
        {
          name: "COMMAND",
          required: false,
          variadic: true,
          trailing: true,
          requiresDoubleDash: false
        }
      ],
      options: [
        {
          long: "--sidecar",
          value: "PATH",
          type: "path"
        },
        {
          long: "--interactive",
          short: "-i",
          type: "flag"
        },
        {
          long: "--tty",
          short: "-t",
          type: "flag"
        },
        {
          long: "--timeout",
          value: "DURATION",
          type: "duration"
        },
        {
          long: "--workdir",
          short: "-w",
          value: "DIR",
          type: "string"
        },
        {
          long: "--env",
          short: "-e",
          value: "KEY=VALUE",
          type: "string",
          repeatable: true
        },
        {
          long: "--volume",
          short: "-v",
          value: "HOST:CONTAINER[:ro]",
          type: "string",
          repeatable: true
        },
        {
          long: "--port",
          short: "-p",
          value: "HOST:GUEST",
          type: "portmap",
          repeatable: true
        },
        {
          long: "--net",
          type: "flag"
        },
        {
          long: "--net-backend",
          value: "NET_BACKEND",
          type: "enum:tsi|virtio-net"
        },
        {
          long: "--cpus",
          value: "N",
          type: "u8"
        },
        {
          long: "--mem",
          value: "MiB",
          type: "u32"
        },
        {
          long: "--storage",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--overlay",
          value: "GiB",
          type: "u64"
        },
        {
          long: "--force-extract",
          type: "flag"
        },
        {
          long: "--info",
          type: "flag"
        },
        {
          long: "--debug",
          type: "flag"
        },
        {
          long: "--cuda",
          type: "flag"
        },
        {
          long: "--auto-graph",
          type: "flag"
        }
      ]
    }
  ],
  dialects: {
    "0.8.0": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 0,
        "machine exec": 1,
        "machine create": 2,
        "machine start": 3,
        "machine stop": 3,
        "machine delete": 4,
        "machine status": 5,
        "machine ls": 6,
        "machine update": 7,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 11,
        "machine monitor": 12,
        "machine data-dir": 13,
        "pack create": 14,
        "pack run": 15,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["0.8.0", "0.8.0"]
    },
    "0.8.2": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 20,
        "machine exec": 1,
        "machine create": 21,
        "machine start": 22,
        "machine stop": 3,
        "machine delete": 4,
        "machine status": 5,
        "machine ls": 6,
        "machine update": 7,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 11,
        "machine monitor": 12,
        "machine data-dir": 13,
        "pack create": 23,
        "pack run": 15,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["0.8.2", "0.8.2"]
    },
    "0.9.0": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        },
        secret: {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 20,
        "machine exec": 1,
        "machine create": 21,
        "machine start": 22,
        "machine stop": 3,
        "machine delete": 4,
        "machine status": 5,
        "machine ls": 6,
        "machine update": 7,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 11,
        "machine monitor": 12,
        "machine data-dir": 13,
        "pack create": 23,
        "pack run": 15,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["0.9.0", "0.9.0"]
    },
    "1.0.4": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 24,
        "machine exec": 25,
        "machine create": 26,
        "machine start": 27,
        "machine fork": 28,
        "machine stop": 3,
        "machine delete": 29,
        "machine status": 5,
        "machine ls": 6,
        "machine update": 30,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 11,
        "machine monitor": 12,
        "machine data-dir": 31,
        "pack create": 23,
        "pack run": 32,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["1.0.2", "1.1.3"]
    },
    "1.1.0": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 24,
        "machine exec": 25,
        "machine create": 26,
        "machine start": 27,
        "machine fork": 28,
        "machine stop": 3,
        "machine delete": 29,
        "machine status": 5,
        "machine ls": 6,
        "machine update": 30,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 11,
        "machine monitor": 12,
        "machine data-dir": 31,
        "pack create": 23,
        "pack run": 32,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["1.0.2", "1.1.3"]
    },
    "1.5.2": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 33,
        "machine exec": 34,
        "machine create": 35,
        "machine start": 27,
        "machine fork": 28,
        "machine stop": 3,
        "machine delete": 29,
        "machine status": 5,
        "machine ls": 6,
        "machine update": 36,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 11,
        "machine monitor": 12,
        "machine data-dir": 31,
        "pack create": 37,
        "pack run": 32,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["1.5.0", "1.5.2"]
    },
    "1.9.3": {
      groups: {
        machine: {
          aliases: ["vm"],
          hidden: false
        },
        serve: {
          aliases: [],
          hidden: false
        },
        pack: {
          aliases: [],
          hidden: false
        },
        config: {
          aliases: [],
          hidden: false
        },
        "config registries": {
          aliases: [],
          hidden: false
        }
      },
      commands: {
        "machine run": 38,
        "machine exec": 34,
        "machine create": 39,
        "machine start": 40,
        "machine fork": 41,
        "machine fork-release": 42,
        "machine stop": 3,
        "machine delete": 43,
        "machine status": 5,
        "machine egress-events": 44,
        "machine ls": 6,
        "machine update": 36,
        "machine images": 8,
        "machine prune": 9,
        "machine shell": 10,
        "machine cp": 45,
        "machine monitor": 12,
        "machine data-dir": 31,
        "pack create": 37,
        "pack run": 46,
        "pack push": 16,
        "pack pull": 17,
        "pack inspect": 18,
        "pack prune": 19
      },
      sameGrammarRange: ["1.9.0", "1.9.3"]
    }
  },
  deltas: [
    {
      version: "0.8.0",
      added: ["machine status --json"],
      removed: [],
      changed: []
    },
    {
      version: "0.8.1",
      added: [
        "machine run --no-proxy",
        "machine run --proxy",
        "machine start --no-proxy",
        "machine start --proxy",
        "pack create --no-proxy",
        "pack create --proxy"
      ],
      removed: [],
      changed: []
    },
    {
      version: "0.8.2",
      added: ["serve start --landlock", "serve start --seccomp"],
      removed: [],
      changed: []
    },
    {
      version: "0.9.0",
      added: [
        "cmd secret",
        "cmd secret delete",
        "cmd secret list",
        "cmd secret path",
        "cmd secret set",
        "cmd secret show",
        "secret delete --force",
        "secret delete <NAME>",
        "secret set --from-env",
        "secret set --from-file",
        "secret set <NAME>",
        "secret set <VALUE>"
      ],
      removed: [],
      changed: []
    },
    {
      version: "1.0.0",
      added: [
        "cmd machine fork",
        "machine create --secret-env",
        "machine create --secret-file",
        "machine create <COMMAND>",
        "machine exec --secret-env",
        "machine exec --secret-file",
        "machine fork --forkable",
        "machine fork --port",
        "machine fork <CLONE>",
        "machine fork <GOLDEN>",
        "machine run --secret-env",
        "machine run --secret-file",
        "machine start --forkable"
      ],
      removed: [
        "cmd secret",
        "cmd secret delete",
        "cmd secret list",
        "cmd secret path",
        "cmd secret set",
        "cmd secret show",
        "secret delete --force",
        "secret delete <NAME>",
        "secret set --from-env",
        "secret set --from-file",
        "secret set <NAME>",
        "secret set <VALUE>"
      ],
      changed: []
    },
    {
      version: "1.0.2",
      added: [
        "machine create --name",
        "machine data-dir --name",
        "machine delete --name",
        "machine fork --golden",
        "machine fork --name",
        "machine run --from",
        "machine update --name"
      ],
      removed: [
        "machine create <NAME>",
        "machine data-dir <NAME>",
        "machine delete <NAME>",
        "machine fork <CLONE>",
        "machine fork <GOLDEN>",
        "machine update <NAME>"
      ],
      changed: [
        "machine create --net-backend",
        "machine create <COMMAND>",
        "machine run --allow-cidr",
        "machine run --allow-host",
        "machine run --detach",
        "machine run --gpu",
        "machine run --gpu-vram",
        "machine run --image",
        "machine run --name",
        "machine run --net-backend",
        "machine run --oci-platform",
        "machine run --outbound-localhost-only",
        "machine run --secret-env",
        "machine run --secret-file",
        "machine run --smolfile",
        "pack run --net-backend"
      ]
    },
    {
      version: "1.2.0",
      added: ["machine create --max-image-size", "machine run --max-image-size", "pack create --staging-dir"],
      removed: [],
      changed: []
    },
    {
      version: "1.2.3",
      added: ["machine run --no-init-cache", "machine run --rebuild-init-cache", "machine run --unprivileged"],
      removed: [],
      changed: []
    },
    {
      version: "1.2.5",
      added: ["machine create --dns", "machine run --dns"],
      removed: [],
      changed: []
    },
    {
      version: "1.3.0",
      added: ["machine exec --detach"],
      removed: [],
      changed: ["machine exec --interactive", "machine exec --stream", "machine exec --tty"]
    },
    {
      version: "1.3.2",
      added: ["machine create --cuda", "machine run --cuda"],
      removed: [],
      changed: []
    },
    {
      version: "1.3.4",
      added: ["pack create --rebase-from-image"],
      removed: [],
      changed: []
    },
    {
      version: "1.5.0",
      added: [
        "machine create --rosetta",
        "machine run --rosetta",
        "machine update --no-rosetta",
        "machine update --rosetta"
      ],
      removed: [],
      changed: []
    },
    {
      version: "1.6.0",
      added: ["machine create --docker-socket", "machine run --docker-socket", "pack run --cuda"],
      removed: [],
      changed: []
    },
    {
      version: "1.6.4",
      added: ["machine create --expose-socket", "machine create --mount-socket"],
      removed: [],
      changed: []
    },
    {
      version: "1.6.12",
      added: ["machine fork --share-weights"],
      removed: [],
      changed: []
    },
    {
      version: "1.7.0",
      added: [
        "machine delete --cascade",
        "machine fork --env",
        "machine fork --secret-env",
        "machine fork --secret-file"
      ],
      removed: [],
      changed: []
    },
    {
      version: "1.7.2",
      added: [
        "cmd machine fork-release",
        "machine create --auto-graph",
        "machine fork --count",
        "machine fork --hold",
        "machine fork --name-prefix",
        "machine fork --parallel",
        "machine fork --ready-timeout",
        "machine fork --wait-ready",
        "machine fork-release --env",
        "machine fork-release --name",
        "machine run --auto-graph",
        "machine start --cuda-vram-limit-mib",
        "machine start --fork-pool-size",
        "pack run --auto-graph"
      ],
      removed: [],
      changed: ["machine fork --name"]
    },
    {
      version: "1.7.3",
      added: ["machine run --oci-cache"],
      removed: [],
      changed: []
    },
    {
      version: "1.8.0",
      added: ["machine create --label"],
      removed: [],
      changed: []
    },
    {
      version: "1.8.1",
      added: [
        "cmd machine egress-events",
        "machine egress-events --json",
        "machine egress-events --limit",
        "machine egress-events --name"
      ],
      removed: [],
      changed: []
    },
    {
      version: "1.8.3",
      added: ["machine create --network", "machine run --network"],
      removed: [],
      changed: []
    },
    {
      version: "1.9.0",
      added: ["machine cp --gid", "machine cp --mode", "machine cp --uid"],
      removed: [],
      changed: []
    },
    {
      version: "1.9.3",
      added: [],
      removed: [],
      changed: ["machine create --volume"]
    }
  ]
}
