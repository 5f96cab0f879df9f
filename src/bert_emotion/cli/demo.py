"""``bert-emotion demo``: the browser page of a model, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from bert_emotion.cli.options import Model


def demo(
    model: Model = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8000,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser too.")] = False,
    prepare: Annotated[bool, typer.Option("--prepare", help="Fetch and write all that is needed, and stop.")] = False,
) -> None:
    """Serve the browser page of a model on 127.0.0.1: type, and see the emotion.

    The first start fetches the browser's runtime from npm; from then on nothing needs the network.
    """
    from bert_emotion.demo import demo_folder, serve

    folder = demo_folder(model, lambda line: typer.echo(line, err=True))
    if prepare:
        typer.echo(str(folder))
        return
    with serve(folder, port) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        typer.echo(f"{address} (Ctrl-C ends it)")
        if browser:
            import webbrowser

            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("ended", err=True)
