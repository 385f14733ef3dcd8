"""From settings to hooks that can be told: the one place that knows what there is to tell them with."""

from collections.abc import Mapping, Sequence

from recorder.clock import Clock
from recorder.hooks.carrier import Carrier
from recorder.hooks.courier import Courier
from recorder.hooks.hooks import Hooks
from recorder.hooks.program import Program
from recorder.hooks.settings import HookSettings


def open_hooks(
    settings: Sequence[HookSettings], keys: Mapping[str, str], environ: Mapping[str, str], clock: Clock
) -> Hooks:
    """Make them ready. Nobody is told anything yet, and nothing is connected."""
    return Hooks(
        [
            Courier(
                hook.label,
                frozenset(hook.on),
                _carrier(hook, keys, environ),
                timeout=hook.timeout,
                give_up_after=hook.give_up_after,
                clock=clock,
            )
            for hook in settings
        ],
        clock,
    )


def _carrier(hook: HookSettings, keys: Mapping[str, str], environ: Mapping[str, str]) -> Carrier:
    if hook.command:
        return Program(hook.command, environ)
    from recorder.hooks.webhook import Webhook  # noqa: PLC0415 - a tenth of a second, for those who have one

    return Webhook(hook.url or "", keys[hook.key or ""])
