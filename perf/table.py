"""Markdown tables, aligned so that they read well as text, too."""


def markdown(head, rows):
    """The first column is text, the others are numbers."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row):
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join([first, *rest]) + " |"

    rules = ("-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths))
    rule = "|" + "|".join(rules) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])
