/**
 * Words of cmake, ctest and cpack that make them run a program or a script which the project does not name: variables that
 * stand for tools or for files of code, script modes, and words passed on to the build tool. Settings of the `CMAKE_` family
 * are refused but for the everyday ones.
 */
import { COMPILER, COMPILER_CODE, makeWord } from "./build_tools.ts";
import { longOption, type ToolRule } from "./options.ts";

const SAFE_SETTINGS =
  /^CMAKE_(?:BUILD_(?:TYPE|RPATH|WITH_[A-Z_]+|PARALLEL_LEVEL)|INSTALL_[A-Z_]+|CONFIGURATION_TYPES|[A-Z]+_(?:STANDARD(?:_REQUIRED)?|EXTENSIONS|ARCHITECTURES|VISIBILITY_PRESET|POSTFIX)|EXPORT_[A-Z_]+|POSITION_INDEPENDENT_CODE|(?:PREFIX|FRAMEWORK|LIBRARY|INCLUDE|FIND_ROOT)_PATH|FIND_[A-Z_]+|VERBOSE_MAKEFILE|COLOR_[A-Z]+|OSX_[A-Z_]+|SYSTEM_(?:NAME|VERSION|PROCESSOR)|POLICY_[A-Z0-9_]+|INTERPROCEDURAL_OPTIMIZATION[A-Z_]*|UNITY_BUILD[A-Z_]*|(?:DISABLE|REQUIRE)_FIND_PACKAGE_\w+|SKIP_[A-Z_]+|(?:LIBRARY|RUNTIME|ARCHIVE|PDB)_OUTPUT_DIRECTORY\w*|WARN_[A-Z_]+|MSVC_[A-Z_]+|GENERATOR_(?:PLATFORM|TOOLSET)|TLS_VERIFY)$/;
const FLAGS = /^CMAKE_[A-Z_]+_FLAGS(?:_[A-Z]+)?$/;
const TOOL_NAME = /_(?:EXECUTABLE|COMMAND|PROGRAM|COMPILER|LAUNCHER|WRAPPER|CONFIG_TOOL)$/;
/** Programs of the system that projects are often told to take. */
const USUAL_TOOL = /^(?:\/usr(?:\/local)?\/bin\/)?(?:python[\d.]*|pkg-config|git|perl|make|ninja)$/;

/** `NAME[:TYPE]=value`, as it follows `-D`. */
function settingStarts(setting: string): boolean {
  const [, name = "", value = ""] = /^([^=:]*)(?::[A-Za-z]*)?(?:=(.*))?$/s.exec(setting) ?? [];
  if (/^CMAKE_[A-Z]+_COMPILER$/.test(name)) return !COMPILER.test(`=${value}`);
  if (/^CMAKE_[A-Z]+_COMPILER_LAUNCHER$/.test(name)) return !/^s?ccache$/.test(value);
  if (FLAGS.test(name)) return value.split(/[\s"';]+/).some((one) => COMPILER_CODE.test(one));
  if (name.startsWith("CMAKE_")) return !SAFE_SETTINGS.test(name);
  return TOOL_NAME.test(name) && !USUAL_TOOL.test(value);
}

function cmakeCode(argv: readonly string[]): string | undefined {
  const end = argv.indexOf("--");
  for (const [at, word] of argv.slice(0, end < 0 ? undefined : end).entries()) {
    if (at === 0) continue;
    if (/^-[EPC]/.test(word)) return word;
    const setting = /^-D(.*)$/s.exec(word)?.[1];
    if (setting === undefined) continue;
    if (settingStarts(setting === "" ? argv[at + 1] ?? "" : setting)) return word;
  }
  // What follows "--" goes to the build tool.
  const passed = end < 0 ? [] : argv.slice(end);
  return longOption(argv, ["toolchain", "project-file", "open"]) ??
    longOption(passed, ["eval"]) ?? passed.slice(1).find(makeWord);
}

/** Rules of the family. */
export const CMAKE_TOOLS: readonly ToolRule[] = [
  { names: /^cmake3?$/, argv: cmakeCode },
  {
    names: /^ctest3?$/,
    long: ["script", "script-new-process", "build-and-test", "test-command", "launch"],
    word: /^-[A-Za-z]*S/,
  },
  { names: /^cpack3?$/, long: ["config"], word: /^-D/ },
];
