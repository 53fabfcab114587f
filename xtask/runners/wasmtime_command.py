"""The part of the `wasmtime` command that this project uses, on top of the Python package.

    wasmtime run [--dir HOST::GUEST] [--env NAME=VALUE] MODULE [ARGUMENT...]

The module's exit code is the command's; a trap is 134, as with the command itself.
"""

import argparse
import importlib.metadata
import sys

import wasmtime

TRAPPED = 134


def main():
    parser = argparse.ArgumentParser(prog="wasmtime")
    parser.add_argument("--version", action="version", version="wasmtime " + importlib.metadata.version("wasmtime"))
    run = parser.add_subparsers(dest="command", required=True).add_parser("run")
    run.add_argument("--dir", action="append", default=[])
    run.add_argument("--env", action="append", default=[])
    run.add_argument("module")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    sys.exit(execute(parser.parse_args()))


def execute(options):
    wasi = wasmtime.WasiConfig()
    wasi.argv = [options.module, *options.arguments]
    wasi.env = [variable.split("=", 1) for variable in options.env]
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    for folder in options.dir:
        host, _, guest = folder.partition("::")
        wasi.preopen_dir(host, guest or host)

    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    try:
        module = wasmtime.Module.from_file(engine, options.module)
        linker.instantiate(store, module).exports(store)["_start"](store)
    except wasmtime.ExitTrap as end:
        return end.code
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        print(error, file=sys.stderr)
        return TRAPPED
    return 0


main()
