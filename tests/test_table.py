"""A table beside the images: what it says is taken as text, and what it does not say is a reason."""

from pathlib import Path

import pytest

from medgan.data.spec import Rejected
from medgan.errors import MedganError
from medgan.sources.table import Row, Rows, Table, read_table

FILES = [Path("a/001.png"), Path("a/002.png"), Path("b/003.nii.gz")]
EVERY = Table("t.csv", "file", label="kind", patient="id", split="part", mask="mask")


def rows(folder: Path, content: str | bytes, table: Table = EVERY, files: list[Path] = FILES) -> Rows:
    path = folder / table.path
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(table, folder, files)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_kind_of_csv_is_text(tmp_path: Path, separator: str, end: str, mark: str) -> None:
    lines = ["id,file, kind ,part,mask,note", '007,001.png,ill,Train,m1.png,"1,5;\t2"', "1e3,b/003,né,test,,", "", ""]
    text = mark + end.join(line.replace(",", separator) for line in lines)
    found = rows(tmp_path, text.replace(f'"1{separator}5', '"1,5'))
    assert found[FILES[0]] == Row("ill", "007", test=False, mask="m1.png")
    assert found[FILES[2]] == Row("né", "1e3", test=True)
    assert not found.rejected
    with pytest.raises(ValueError, match="the table has no row for it"):
        found[FILES[1]]


@pytest.mark.parametrize("name", ["a/001.png", "a/001", "001.png", "001", "./a/001.png", "a\\001.png"])
def test_a_file_is_named_in_any_way(tmp_path: Path, name: str) -> None:
    assert rows(tmp_path, f"file,kind\n{name},ill", Table("t.csv", "file", label="kind"))[FILES[0]].label == "ill"


def test_what_is_not_there_or_not_clear(tmp_path: Path) -> None:
    content = "file,id,kind,part\n001,1,ill,train\n001,1,well,train\n001,1,ill,train\n009,1,ill,train\n,1,ill,train\n"
    found = rows(
        tmp_path, content + "002,2,ill,train\n002,2,ill,train\n", Table("t.csv", "file", "kind", "", "id", "part")
    )
    with pytest.raises(ValueError, match="several rows for it, which do not say the same"):
        found[FILES[0]]
    assert found[FILES[1]].label == "ill"  # twice the same is no contradiction
    assert found.rejected == [
        Rejected("009", "the table names it, and it is not there"),
        Rejected("t.csv, line 6", "the table's file is empty"),
    ]
    twice = rows(tmp_path, "file\nx", Table("t.csv", "file"), [Path("a/x.png"), Path("b/x.png")])
    with pytest.raises(ValueError, match="the table means 2 files by one name"):
        twice[Path("b/x.png")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("001,,ill,train", "the table's id is empty"),
        ("001,1,,train", "the table's kind is empty"),
        ("001,1,ill,", "the table's part is «», and none of train"),
        ("001,1,ill,fold3", "the table's part is «fold3», and none of train"),
        ("001,1", "the table's part is «»"),
    ],
)
def test_what_a_row_lacks(tmp_path: Path, line: str, reason: str) -> None:
    found = rows(tmp_path, f"file,id,kind,part\n{line}", Table("t.csv", "file", "kind", "", "id", "part"))
    with pytest.raises(ValueError, match=reason):
        found[FILES[0]]


def test_a_label_of_several_columns(tmp_path: Path) -> None:
    table = Table("t.csv", "file", ("melanoma", "keratosis"), "nevus")
    content = "file,melanoma,keratosis\n001,0.0,1.0\n002,0,0\n003,1,1\n"
    found = rows(tmp_path, content, table)
    assert [found[path].label for path in FILES[:2]] == ["keratosis", "nevus"]
    with pytest.raises(ValueError, match="several labels: melanoma, keratosis"):
        found[FILES[2]]
    with pytest.raises(ValueError, match=r"no label; data\.options\.table\.label_else"):
        rows(tmp_path, content, Table("t.csv", "file", ("melanoma", "keratosis")))[FILES[1]]
    for value in ("", "2", "0.7"):
        with pytest.raises(ValueError, match=f"melanoma is «{value}», and neither 0 nor 1"):
            rows(tmp_path, f"file,melanoma,keratosis\n001,{value},0", table)[FILES[0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,id,kind,part\n" + "001,1,né,train".encode("latin-1"), r"is not UTF-8 \(byte 25\); save it as"),
        ("file,id,kind,part,mask\n".encode("utf-16"), "is not UTF-8"),
        (b"file;id;kind;split;mask\n", r"has no column 'part'; choices: file, id, kind, mask, split"),
        (b"file,id,kind,part,mask,id\n", "has 2 columns 'id'"),
        (b"file,id,kind,part,mask\n", "has no row"),
        (b"", "has no column 'file'"),
        (b'file,id,kind,part,mask\n"' + b"x" * 200_000, "line 2: field larger than"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(MedganError, match=message):
        rows(tmp_path, content)


def test_a_missing_table_is_answered_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    with pytest.raises(MedganError, match=r"label\.csv is not a file \(did you mean 'labels\.csv'\?\)"):
        read_table(Table("label.csv", "file"), tmp_path, FILES)


def test_a_comma_without_quotes_moves_no_value_into_the_next_column(tmp_path: Path) -> None:
    content = "file,note,kind\n001,nodule,ill\n002,nodule, left,well\n"
    with pytest.raises(MedganError, match=r"line 3 has 4 values, and the header 3 columns; put values that hold ','"):
        rows(tmp_path, content, Table("t.csv", "file", label="kind"))
    ends = rows(tmp_path, "file,kind\n001,ill,,\n", Table("t.csv", "file", label="kind"))
    assert ends[FILES[0]].label == "ill"  # some programs end rows by commas


def test_a_quote_that_nobody_closes_is_named(tmp_path: Path) -> None:
    for content in ('file,kind\n"001,ill\n"002,well\n', 'file,kind\n001,ill\n002,"well\n'):
        with pytest.raises(MedganError, match=r"t\.csv, line 3: .*; save it as a CSV file again"):
            rows(tmp_path, content, Table("t.csv", "file", label="kind"))


@pytest.mark.parametrize("name", ["a/001.PNG", "x/../a/001.png", "{folder}/a/001.png", "../{name}/a/001.Png"])
def test_a_path_that_leads_there_and_a_suffix_of_another_case_name_a_file(tmp_path: Path, name: str) -> None:
    name = name.format(folder=tmp_path, name=tmp_path.name)
    assert rows(tmp_path, f"file,kind\n{name},ill", Table("t.csv", "file", label="kind"))[FILES[0]].label == "ill"


def test_another_format_and_another_folder_are_another_file(tmp_path: Path) -> None:
    found = rows(tmp_path, "file\n001.jpg\n/a/001.png\n../a/001.png\n", Table("t.csv", "file"))
    assert len(found.rejected) == 3 and not found.of_file


def test_a_label_is_known_where_something_else_is_not(tmp_path: Path) -> None:
    found = rows(tmp_path, "file,kind,id\n001,ill,\n002,,7\n", Table("t.csv", "file", label="kind", patient="id"))
    assert found.labels == {FILES[0]: "ill"}
