using System.CommandLine;

namespace Dawn.Commands;

/// <summary><c>dawn completion</c>: what makes a shell complete verbs, options, addresses and tools. The scripts ask the program itself (<see cref="Completion"/>).</summary>
internal static class CompletionVerb
{
    private const string Bash = """
        # dawn: completion for bash. Load it with: source <(dawn completion bash)
        _dawn() {
          local line="${COMP_LINE:0:COMP_POINT}" candidate
          local word="${line##* }" prefix=""
          # bash ends words at colons and equals signs, so what stands before the last of them is not repeated.
          case $word in
            *[:=]*) prefix="${word%"${word##*[:=]}"}" ;;
          esac
          COMPREPLY=()
          while IFS= read -r candidate; do
            COMPREPLY+=("${candidate:${#prefix}}")
          done < <("$1" "[suggest:${#line}]" "$line" 2>/dev/null)
          case ${COMPREPLY[*]-} in
            *[:=]) compopt -o nospace 2>/dev/null ;;
          esac
        }
        complete -o default -F _dawn dawn
        """;

    private const string Zsh = """
        #compdef dawn
        # dawn: completion for zsh. Load it with: source <(dawn completion zsh), after compinit; or save it as _dawn in a folder of $fpath.
        _dawn() {
          local -a found
          local line="${(j: :)words[1,CURRENT]}"
          found=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
          found=(${found:#})
          if (( ${#found} )); then
            compadd -a found
          else
            _files
          fi
        }
        if [[ "${funcstack[1]-}" == _dawn ]]; then
          _dawn "$@"
        else
          compdef _dawn dawn
        fi
        """;

    private const string Fish = """
        # dawn: completion for fish. Load it with: dawn completion fish | source; or save it as ~/.config/fish/completions/dawn.fish
        function __dawn_suggest
            set -l line (commandline -cp)
            set -l words (commandline -opc)
            command $words[1] "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c dawn -f -a '(__dawn_suggest)'
        complete -c dawn -n '__fish_seen_subcommand_from backup restore' -F
        """;

    private const string PowerShell = """
        # dawn: completion for PowerShell. Load it with: dawn completion powershell | Out-String | Invoke-Expression
        Register-ArgumentCompleter -Native -CommandName dawn -ScriptBlock {
            param($word, $ast, $position)
            $line = $ast.ToString().PadRight($position)
            & $ast.CommandElements[0].ToString() "[suggest:$position]" "$line" 2>$null | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }
        }
        """;

    public static Command Create(VerbFactory factory)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh, fish or powershell." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish", "powershell");
        var command = new Command("completion", """
            Prints a script with which a shell completes verbs and options, and from the running node addresses, tools and names.

            Example:
              source <(dawn completion bash)
              dawn completion fish > ~/.config/fish/completions/dawn.fish
            """) { shell };
        command.SetAction(parsed =>
        {
            factory.Terminal.Out.WriteLine(parsed.GetValue(shell) switch { "bash" => Bash, "zsh" => Zsh, "fish" => Fish, _ => PowerShell });
            return ExitCode.Done;
        });
        return command;
    }
}
