import type { CompletionNode } from './tree.js';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A script that completes commands, options and fixed values; files where none of these fit. */
export function completionScript(shell: Shell, program: string, nodes: readonly CompletionNode[]): string {
  return { bash, zsh, fish }[shell](program, nodes);
}

function bash(program: string, nodes: readonly CompletionNode[]): string {
  return `# bash completion of ${program}. Use it with: source <(${program} completion bash)
_${program}() {
  local path word words previous
  path="$(_${program}_path "\${COMP_WORDS[@]:1:COMP_CWORD-1}")"
  word="\${COMP_WORDS[COMP_CWORD]}"
  previous="\${COMP_WORDS[COMP_CWORD-1]}"
  words="$(_${program}_values "$path" "$previous")"
  case $? in
    0) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    2) COMPREPLY=() ;;
    *) COMPREPLY=($(compgen -W "$(_${program}_words "$path" "$word")" -- "$word")) ;;
  esac
}
${shared(program, nodes)}
complete -o default -F _${program} ${program}
`;
}

function zsh(program: string, nodes: readonly CompletionNode[]): string {
  return `#compdef ${program}
# zsh completion of ${program}. Use it with: source <(${program} completion zsh)
_${program}() {
  local path_of found kind
  path_of="$(_${program}_path "\${(@)words[2,CURRENT-1]}")"
  found="$(_${program}_values "$path_of" "\${words[CURRENT-1]}")"
  kind=$?
  if (( kind == 1 )); then
    found="$(_${program}_words "$path_of" "\${words[CURRENT]}")"
  fi
  if [[ -n "$found" ]]; then
    compadd -- \${=found}
  else
    _files
  fi
}
${shared(program, nodes)}
compdef _${program} ${program}
`;
}

/** Functions that bash and zsh read alike: where we are, and which words are possible there. */
function shared(program: string, nodes: readonly CompletionNode[]): string {
  const steps = nodes.flatMap(({ path, commands }) =>
    commands.map(
      ({ name }) => `      ${pattern(path, name)}) at="${path === '' ? name : `${path} ${name}`}" ;;`,
    ),
  );
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ long, choices }) => {
        const answer = choices.length === 0 ? 'return 2' : `echo "${choices.join(' ')}"; return 0`;
        return `    ${pattern(path, long)}) ${answer} ;;`;
      }),
  );
  const words = nodes.map(({ path, commands, options, words: fixed }) => {
    const plain = [...commands.map(({ name }) => name), ...fixed].join(' ');
    const dashed = options.map(({ long }) => long).join(' ');
    return `    "${path}") plain="${plain}"; dashed="${dashed}" ;;`;
  });
  return `_${program}_path() {
  local at="" given
  for given in "$@"; do
    case "$at/$given" in
${steps.join('\n')}
    esac
  done
  echo "$at"
}
# 0: these values; 2: a value that only the person knows; 1: no value is due.
_${program}_values() {
  case "$1/$2" in
${values.join('\n')}
  esac
  return 1
}
_${program}_words() {
  local plain="" dashed=""
  case "$1" in
${words.join('\n')}
  esac
  case "$2" in
    -*) echo "$dashed" ;;
    *) echo "$plain" ;;
  esac
}`;
}

function pattern(path: string, word: string): string {
  return `"${path}/${word}"`;
}

function fish(program: string, nodes: readonly CompletionNode[]): string {
  const steps = nodes.flatMap(({ path, commands }) =>
    commands.map(
      ({ name }) =>
        `            case '${path}/${name}'\n                set at '${path === '' ? name : `${path} ${name}`}'`,
    ),
  );
  const lines = nodes.flatMap(({ path, commands, options, words }) => {
    const at = `-n "test (__${program}_path) = '${path}'"`;
    return [
      ...commands.map(
        ({ name, description }) => `complete -c ${program} ${at} -f -a ${name} -d ${fishQuoted(description)}`,
      ),
      ...words.map((word) => `complete -c ${program} ${at} -f -a ${word}`),
      ...options.map(({ long, description, takesValue, choices }) => {
        const value = choices.length > 0 ? ` -x -a '${choices.join(' ')}'` : takesValue ? ' -r' : '';
        return `complete -c ${program} ${at} -l ${long.slice(2)}${value} -d ${fishQuoted(description)}`;
      }),
    ];
  });
  return `# fish completion of ${program}. Use it with: ${program} completion fish | source
function __${program}_path
    set -l at ''
    for given in (commandline -opc)[2..-1]
        switch "$at/$given"
${steps.join('\n')}
        end
    end
    echo "$at"
end
${lines.join('\n')}
`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
