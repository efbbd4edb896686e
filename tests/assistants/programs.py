"""Run the real Claude Code and Codex, each with a home of its own and a dummy key."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from tests.assistants.install import program
from tests.assistants.scripted_model import ScriptedModel

__all__ = [
    "GITCOORD",
    "Answer",
    "all_of_them",
    "claude",
    "codex",
    "copilot",
    "environment_of_codex",
    "gemini",
    "opencode",
    "settings_of_codex",
    "start_claude",
    "start_codex",
]

GITCOORD = Path(sys.executable).with_name("gitcoord")
PATIENCE_S = 120
SETTINGS_OF_GEMINI = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "privacy": {"usageStatisticsEnabled": False},
    # At a limit it would try again for minutes.
    "general": {"enableAutoUpdate": False, "maxAttempts": 1},
}


class Answer(NamedTuple):
    """What a headless session came to."""

    status: int
    lines: list[dict[str, Any]]
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """Claude's last line."""
        return next((one for one in reversed(self.lines) if one.get("type") == "result"), {})


def _temporary(home: Path) -> Path:
    """Return a short folder for sockets, which have no room for a long name."""
    link = home / "tmp"
    if not link.is_symlink():
        home.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tempfile.mkdtemp(prefix="gc-"))
        atexit.register(shutil.rmtree, link.readlink(), ignore_errors=True)
    return link.readlink()


def _environment(home: Path, **more: str) -> dict[str, str]:
    """Return a clean environment: nothing of the user's, nothing of another assistant's."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{GITCOORD.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(_temporary(home)),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GITCOORD_UPKEEP": "off",
        **more,
    }


def _for_claude(model: ScriptedModel, home: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": model.url,
        "ANTHROPIC_API_KEY": "dummy-key",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "CLAUDE_CODE_TMPDIR": str(_temporary(home)),
    }


def environment_of_codex(home: Path) -> dict[str, str]:
    """Return the clean environment, with the key that Codex asks for."""
    return _environment(home, DUMMY_KEY="dummy-key")


def settings_of_codex(model: ScriptedModel) -> dict[str, str]:
    """Return Codex's settings, each with its value in TOML."""
    provider = (
        f'{{name="scripted",base_url="{model.url}/v1",env_key="DUMMY_KEY",wire_api="responses"}}'
    )
    return {
        "analytics.enabled": "false",
        "model_provider": '"scripted"',
        "model": '"gpt-5.5"',
        "model_providers.scripted": provider,
    }


def _for_copilot(model: ScriptedModel) -> dict[str, str]:
    return {
        "COPILOT_PROVIDER_BASE_URL": f"{model.url}/v1",
        "COPILOT_PROVIDER_API_KEY": "dummy-key",
        "COPILOT_MODEL": "scripted",
        "COPILOT_OFFLINE": "true",
        "COPILOT_AUTO_UPDATE": "false",
    }


def _for_gemini(model: ScriptedModel) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": "dummy-key",
        "GOOGLE_GEMINI_BASE_URL": model.url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def all_of_them(model: ScriptedModel, home: Path) -> dict[str, str]:
    """Return a user's environment in which a run starts each assistant by its name."""
    programs = [str(program(name).parent) for name in ("claude", "codex", "copilot", "gemini")]
    more = {**_for_claude(model, home), **_for_copilot(model), **_for_gemini(model)}
    environment = _environment(home, DUMMY_KEY="dummy-key", **more)
    environment["PATH"] = os.pathsep.join([*programs, environment["PATH"]])
    _put(home / ".claude" / "settings.json", {"permissions": {"allow": ["Bash"]}})
    _put(home / ".gemini" / "settings.json", SETTINGS_OF_GEMINI)
    (home / ".codex").mkdir(exist_ok=True)
    lines = [f"{key} = {value}\n" for key, value in settings_of_codex(model).items()]
    (home / ".codex" / "config.toml").write_text("".join(lines))
    return environment


def start_claude(
    model: ScriptedModel, home: Path, cwd: Path, prompt: str, *more: str
) -> subprocess.Popen[str]:
    """Start Claude Code headless, in a process group of its own."""
    environment = _environment(home, **_for_claude(model, home))
    words = [
        "-p",
        prompt,
        "--output-format",
        "stream-json",
        "--verbose",
        "--permission-mode",
        "acceptEdits",
    ]
    return _started([str(program("claude")), *words, *more], cwd, environment)


def claude(model: ScriptedModel, home: Path, cwd: Path, prompt: str, *more: str) -> Answer:
    """Run Claude Code headless to its end."""
    return _ended(start_claude(model, home, cwd, prompt, *more))


def start_codex(
    model: ScriptedModel, home: Path, cwd: Path, prompt: str, *more: str
) -> subprocess.Popen[str]:
    """Start Codex headless, its hooks trusted for this run."""
    settings = settings_of_codex(model)
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    command = [
        str(program("codex")),
        "exec",
        "--json",
        *words,
        "--trust",
        "--dangerously-bypass-hook-trust",
        *more,
        prompt,
    ]
    return _started(command, cwd, environment_of_codex(home))


def codex(model: ScriptedModel, home: Path, cwd: Path, prompt: str, *more: str) -> Answer:
    """Run Codex headless to its end."""
    return _ended(start_codex(model, home, cwd, prompt, *more))


def copilot(model: ScriptedModel, home: Path, cwd: Path, prompt: str) -> Answer:
    """Run Copilot's CLI headless to its end, with hooks of its own."""
    hook = {"type": "command", "bash": f"{GITCOORD} hook copilot || exit 2", "timeoutSec": 30}
    events = ("sessionStart", "preToolUse", "postToolUse", "agentStop")
    hooks = {"version": 1, "hooks": {event: [hook] for event in events}}
    _put(home / ".copilot" / "hooks" / "gitcoord.json", hooks)
    environment = _environment(home, **_for_copilot(model))
    words = ["-p", prompt, "--allow-all-tools", "--trust-folder", "--output-format", "json"]
    return _ended(_started([str(program("copilot")), *words], cwd, environment))


def gemini(model: ScriptedModel, home: Path, cwd: Path, prompt: str) -> Answer:
    """Run Gemini's CLI headless to its end, with hooks of its own."""
    hook = {"type": "command", "command": f"{GITCOORD} hook gemini || exit 2"}
    events = ("SessionStart", "BeforeTool", "AfterTool", "AfterAgent")
    hooks = {"hooks": {event: [{"hooks": [hook]}] for event in events}}
    _put(home / ".gemini" / "settings.json", {**SETTINGS_OF_GEMINI, **hooks})
    environment = _environment(home, **_for_gemini(model))
    words = ["-y", "-m", "gemini-2.5-pro", "-o", "json", "-p", prompt]
    return _ended(_started([str(program("gemini")), *words], cwd, environment))


def opencode(model: ScriptedModel, home: Path, cwd: Path, prompt: str) -> Answer:
    """Run OpenCode headless to its end, with the settings of the worktree."""
    own = home / ".config" / "opencode"
    if not own.exists():
        own.parent.mkdir(parents=True)
        own.symlink_to(program("opencode").parents[2] / "beside")
    options = {"baseURL": f"{model.url}/v1", "apiKey": "dummy-key"}
    limit = {"context": 200_000, "output": 8_000}
    scripted = {"name": "scripted", "tool_call": True, "limit": limit}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "scripted", "options": options}
    settings = {
        "autoupdate": False,
        "share": "disabled",
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "provider": {"scripted": {**provider, "models": {"scripted": scripted}}},
    }
    environment = _environment(
        home,
        OPENCODE_DISABLE_MODELS_FETCH="1",
        OPENCODE_DISABLE_AUTOUPDATE="1",
        OPENCODE_CONFIG_CONTENT=json.dumps(settings),
    )
    words = ["run", prompt, "--format", "json"]
    return _ended(_started([str(program("opencode")), *words], cwd, environment))


def _put(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))


def _started(command: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _object(line: str) -> dict[str, Any] | None:
    """Return a line's object; not every program writes one a line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _ended(child: subprocess.Popen[str]) -> Answer:
    try:
        out, err = child.communicate(timeout=PATIENCE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    lines = [found for line in out.splitlines() if (found := _object(line))]
    return Answer(child.returncode, lines, err)
