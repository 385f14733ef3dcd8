"""`recordings`: what is in a bucket, and its audio back. Needs no daemon; its commands are in `commands`."""

import sys

import typer

from storage import report
from storage.catalog import NothingRecorded
from storage.commands import deleting, exporting, fetching, linking, listing, options, verifying
from storage.errors import StoreError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("list")(listing.list_recordings)
app.command("fetch")(fetching.fetch_audio)
app.command("link")(linking.link_segment)
app.command("playlist")(linking.write_playlist)
app.command("export")(exporting.export_range)
app.command("verify")(verifying.verify_recordings)
app.command("delete")(deleting.delete_audio)


@app.callback()
def _recordings(
    context: typer.Context,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Recordings of conferences and calls in a bucket: list, fetch, verify and delete them.

    \b
    recordings list --store s3://bucket/prefix
    recordings list 1ed12456 --from 2026-11-22 --config recorder.toml
    recordings fetch 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.wav

    Credentials come from boto3's own chain: the environment, ~/.aws, or the role of the machine.
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    context.obj = options.place_of(store, endpoint_url, region, config)


def main() -> None:
    """Run the command. What goes wrong is one line on standard error, and an exit code."""
    try:
        app()
    except OverflowError:
        report.console(stderr=True).print("recordings: a time lies outside of the years 1 to 9999")
        sys.exit(options.FAILED)
    except (StoreError, NothingRecorded, OSError) as error:
        report.console(stderr=True).print(f"recordings: {report.printable(str(error))}")
        sys.exit(options.FAILED)


if __name__ == "__main__":
    main()
