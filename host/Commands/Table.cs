using System.Text;
using Spectre.Console;

namespace Dawn.Commands;

/// <summary>Rows under headings: a drawn table for a person at a terminal, else columns of plain text that other programs cut up.</summary>
internal sealed class Table(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add([.. cells.Select(Terminal.OneLine)]);

    public void Write(Terminal terminal)
    {
        if (terminal.IsInteractive)
        {
            WriteDrawn(terminal);
        }
        else
        {
            WritePlain(terminal.Out);
        }
    }

    // Apart, so that the library is loaded only where it draws.
    private void WriteDrawn(Terminal terminal)
    {
        var table = new Spectre.Console.Table().Border(TableBorder.Rounded);
        foreach (var heading in headings)
        {
            table.AddColumn(new TableColumn(new Text(heading, new Style(decoration: Decoration.Bold))));
        }

        foreach (var row in _rows)
        {
            table.AddRow(row.Select(cell => new Text(cell)));
        }

        AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(terminal.Out) }).Write(table);
    }

    private void WritePlain(TextWriter to)
    {
        var widths = headings.Select((heading, column) => _rows.Select(r => r[column].Length).Append(heading.Length).Max()).ToArray();
        var text = new StringBuilder();
        foreach (var row in _rows.Prepend([.. headings.Select(h => h.ToUpperInvariant())]))
        {
            for (var column = 0; column < row.Length; column++)
            {
                text.Append(column == row.Length - 1 ? row[column] : row[column].PadRight(widths[column] + 2));
            }

            to.WriteLine(text.ToString().TrimEnd());
            text.Clear();
        }
    }
}
