"""The files of a git ref: which commit, which versions, and that nothing of the user's own is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import LedgerError
from ledger.estimates.prompts.git_revision import Baseline, baseline_of
from tests.helpers.git import Repository, new_repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = new_repository(tmp_path / "work", monkeypatch)
    monkeypatch.chdir(made.path)
    return made


def files_of(baseline: Baseline) -> dict[str, str]:
    found = (path for path in sorted(baseline.tree.rglob("*")) if path.is_file())
    return {str(path.relative_to(baseline.tree)): path.read_bytes().decode() for path in found}


def files_at(ref: str, folder: Path | None = None) -> dict[str, str]:
    with baseline_of(ref, folder or Path.cwd()) as baseline:
        return files_of(baseline)


def refusal(ref: str, folder: Path | None = None) -> str:
    with pytest.raises(LedgerError) as refused, baseline_of(ref, folder or Path.cwd()):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- which commit ---------------------------------------------------------------------------------------------------


def test_the_merge_base_is_compared_with_not_what_the_ref_has_become(repository: Repository) -> None:
    fork = repository.commit(a__txt="one")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(a__txt="feature")
    repository.git("checkout", "--quiet", "main")
    repository.commit(a__txt="main moved on")
    repository.git("checkout", "--quiet", "feature")
    with baseline_of("main", repository.path) as baseline:
        assert files_of(baseline) == {"a.txt": "one"}
        assert (baseline.commit, baseline.note) == (fork, None)


@pytest.mark.parametrize("form", ["main", "refs/heads/main", "HEAD~1", "v1", "{commit}"])
def test_any_name_of_a_commit(repository: Repository, form: str) -> None:
    commit = repository.commit(a__txt="one")
    repository.git("tag", "--annotate", "--message", "first", "v1")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(a__txt="two")
    assert files_at(form.format(commit=commit)) == {"a.txt": "one"}


def test_without_a_common_commit_the_ref_itself(repository: Repository) -> None:
    repository.commit(a__txt="main")
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit(a__txt="other")
    with baseline_of("main", repository.path) as baseline:
        assert files_of(baseline) == {"a.txt": "main"}
        assert baseline.note is not None
        assert "no commit in common" in baseline.note
        assert "fetch-depth: 0" in baseline.note


def test_a_shallow_clone(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a__txt="one")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(a__txt="feature")
    repository.git("checkout", "--quiet", "main")
    repository.commit(a__txt="moved on")
    clone = tmp_path / "clone"
    source = f"file://{repository.path}"
    repository.git("clone", "--quiet", "--depth=1", "--branch=feature", "--no-single-branch", source, str(clone))
    with baseline_of("origin/main", clone) as baseline:
        assert files_of(baseline) == {"a.txt": "moved on"}
        assert baseline.note is not None
    assert "names no commit" in refusal("main", clone)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["nowhere", "origin/main", "main:a.txt", "main^{tree}", "a b", "main..feature", "☃"])
def test_what_names_no_commit(repository: Repository, ref: str) -> None:
    repository.commit(a__txt="one")
    told = refusal(ref)
    assert repr(ref) in told
    assert "fetch-depth: 0" in told
    assert "git fetch" in told


@pytest.mark.parametrize("ref", ["", "-h", "--all", "--output=stolen", "main\0"])
def test_a_ref_is_never_an_option(repository: Repository, ref: str) -> None:
    repository.commit(a__txt="one")
    assert "isn't a git ref" in refusal(ref)
    assert sorted(path.name for path in repository.path.iterdir()) == [".git", "a.txt"]


def test_a_branch_named_like_an_option(repository: Repository) -> None:
    commit = repository.commit(a__txt="one")
    repository.git("update-ref", "refs/heads/--all", commit)
    assert files_at("refs/heads/--all") == {"a.txt": "one"}


def test_outside_of_a_repository(repository: Repository, tmp_path: Path) -> None:
    told = refusal("main", tmp_path)
    assert told.startswith("--base-ref main: git: not a git repository")
    assert told.endswith("give --compare-to FILE")


def test_a_repository_without_a_commit(repository: Repository) -> None:
    assert "names no commit" in refusal("HEAD")


def test_without_git(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "needs git, which isn't on PATH" in refusal("main")


def test_a_failing_filter_is_told(repository: Repository) -> None:
    repository.commit(a__txt="one", __gitattributes="*.txt filter=broken\n")
    repository.git("config", "filter.broken.smudge", "false")
    repository.git("config", "filter.broken.required", "true")
    assert "filter broken failed" in refusal("main")


# --- which files ----------------------------------------------------------------------------------------------------


def test_smudge_filters_apply(repository: Repository) -> None:
    repository.commit(a__txt="pointer\n", __gitattributes="*.txt filter=shout\n")
    repository.git("config", "filter.shout.smudge", "tr a-z A-Z")
    assert files_at("main")["a.txt"] == "POINTER\n"


def test_attributes_are_the_refs_own(repository: Repository) -> None:
    repository.commit(a__txt="one\n", b__md="one\n", __gitattributes="*.md eol=crlf\n")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(__gitattributes="*.txt eol=crlf\n")
    found = files_at("main")
    assert (found["a.txt"], found["b.md"]) == ("one\n", "one\r\n")


def test_submodules_stay_empty_and_links_stay_links(repository: Repository) -> None:
    commit = repository.commit(a__txt="one")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    (repository.path / "link.txt").symlink_to("a.txt")
    repository.git("add", "link.txt")
    repository.git("commit", "--quiet", "--message", "module")
    assert files_at("main") == {"a.txt": "one", "link.txt": "one"}


def test_sparse_checkouts_hide_nothing(repository: Repository) -> None:
    repository.commit(**{"deep/a__txt": "one", "far/b__txt": "two"})
    repository.git("sparse-checkout", "set", "--cone", "--sparse-index", "deep")
    assert not (repository.path / "far").exists()
    assert files_at("main") == {"deep/a.txt": "one", "far/b.txt": "two"}
    # git refuses to write an index that is both.
    repository.git("config", "core.splitIndex", "true")
    assert files_at("main") == {"deep/a.txt": "one", "far/b.txt": "two"}


def test_a_linked_working_tree(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a__txt="one")
    repository.git("worktree", "add", "--quiet", "-b", "feature", str(tmp_path / "linked"))
    linked = Repository(tmp_path / "linked")
    linked.commit(a__txt="two")
    with baseline_of("main", linked.path) as baseline:
        assert files_of(baseline) == {"a.txt": "one"}
        assert baseline.top == linked.path.resolve()


def test_the_repository_that_the_environment_names(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a hook, where git sets GIT_DIR and GIT_INDEX_FILE, often relative to the top of the working tree."""
    repository.commit(**{"deep/a__txt": "one"})
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.commit(**{"deep/a__txt": "two"})
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    with baseline_of("main", repository.path / "deep") as baseline:
        assert files_of(baseline) == {"deep/a.txt": "one"}
        assert baseline.path_of("deep/a.txt") == baseline.tree / "deep" / "a.txt"


def state_of(repository: Repository) -> Iterator[tuple[str, int, int]]:
    """Every file and folder of the checkout and its .git, with its time of change."""
    for path in sorted(repository.path.rglob("*")):
        found = path.lstat()
        yield str(path), found.st_mtime_ns, found.st_size


def test_nothing_of_the_users_own_is_touched(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a__txt="one", b__txt="one", c__txt="one")
    # As in a submodule, whose git folder lies elsewhere and names its working tree.
    repository.git("config", "core.worktree", str(repository.path))
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.write("a.txt", "staged")
    repository.git("add", "a.txt")
    repository.write("b.txt", "dirty")
    repository.write("d.txt", "unknown to git")
    before = list(state_of(repository))
    with baseline_of("main", repository.path) as baseline:
        assert files_of(baseline) == {"a.txt": "one", "b.txt": "one", "c.txt": "one"}
        assert list(state_of(repository)) == before
        place = baseline.tree
    assert list(state_of(repository)) == before
    assert not place.exists()
    assert not place.parent.exists()


# --- files that options name ----------------------------------------------------------------------------------------


def test_files_of_today_and_of_then(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit(**{"app/rates__toml": "then"})
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.write("app/rates.toml", "now")
    repository.write("app/new.toml", "new")
    (tmp_path / "outside.toml").write_text("outside")
    monkeypatch.chdir(repository.path / "app")
    with baseline_of("main", Path()) as baseline:
        then = baseline.version_of("rates.toml")
        assert Path(then).read_text() == "then"
        assert baseline.version_of(str(repository.path / "app" / "rates.toml")) == then
        assert baseline.version_of("../app/rates.toml") == then
        for same in ("new.toml", "../../outside.toml", "-", "missing.toml"):
            assert baseline.version_of(same) == same
        assert baseline.path_of("../../outside.toml") is None
        assert baseline.path_of("..") == baseline.tree
        assert baseline.path_of(".") == baseline.tree / "app"


def test_a_folder_reached_by_a_link(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a__txt="one")
    (tmp_path / "link").symlink_to(repository.path)
    with baseline_of("main", tmp_path / "link") as baseline:
        assert baseline.path_of(tmp_path / "link" / "a.txt") == baseline.tree / "a.txt"


def test_what_is_wrong_is_told_with_the_repositorys_names(repository: Repository) -> None:
    commit = repository.commit(a__txt="one")
    with baseline_of("main", repository.path) as baseline:
        told = str(baseline.renamed(LedgerError(f"{baseline.tree / 'a.txt'}: is wrong, in {baseline.tree}")))
    assert told == f"--base-ref main (commit {commit[:12]}): a.txt: is wrong, in its top folder"
