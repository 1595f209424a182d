"""What was deleted is not left in the files."""

from pathlib import Path

from storage import migrate, samples
from storage.database import Database, sqlite_url
from storage.samples import Sample

BLOB = bytes(range(1, 250)) * 20


def files_with(folder: Path, content: bytes) -> list[str]:
    return [path.name for path in folder.iterdir() if content in path.read_bytes()]


def test_a_wiped_text_is_in_no_file_of_the_database(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "burnline.db"))
    migrate.upgrade(database)
    kept = Sample("a" * 32, "b" * 16, 1.0, 1.0, 5.0, (("model", "m"),), "default", 0.5, BLOB)
    with database.write() as connection:
        samples.put(connection, [kept])
    part = BLOB[1000:1200]
    assert files_with(tmp_path, part) != []
    with database.write() as connection:
        assert samples.wipe_expired(connection, 6.0) == 1
    database.scrub()
    assert files_with(tmp_path, part) == []
    database.dispose()
