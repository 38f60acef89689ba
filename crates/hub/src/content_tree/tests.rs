use super::*;
use crate::content_node::FileLocation;

fn tree() -> ContentTree {
    ContentTree::new(Store::default())
}

fn node(parent: &str, name: &str, kind: NodeKind) -> NewNode {
    NewNode {
        parent: parent.to_owned(),
        name: name.to_owned(),
        kind,
        fields: Document::new(),
        owner: Some("user:joe".to_owned()),
    }
}

fn file(upload: &str) -> StoredFile {
    StoredFile {
        place: FileLocation::Upload(upload.to_owned()),
        size: 3,
        mime: "text/plain".to_owned(),
    }
}

fn text(upload: &str) -> NodeKind {
    NodeKind::File {
        file: file(upload),
        variants: Vec::new(),
    }
}

fn code<T>(result: Result<T, ApiError>) -> &'static str {
    result.err().map_or("", |error| error.code)
}

#[test]
fn nodes_are_found_by_path_after_their_folder_has_moved() {
    let tree = tree();
    let tree = &mut *tree.lock();
    tree.insert("a".into(), node(ROOT, "a", NodeKind::Folder))
        .unwrap();
    tree.insert("b".into(), node(ROOT, "b", NodeKind::App))
        .unwrap();
    tree.insert("f".into(), node("a", "f", text("1"))).unwrap();
    assert_eq!(tree.path("f"), "/a/f");
    let mv = |parent: &str, name: &str| NodeChange {
        parent: Some(parent.to_owned()),
        name: Some(name.to_owned()),
        ..NodeChange::default()
    };
    tree.change("a", mv("b", "c")).unwrap();
    assert_eq!(tree.path("f"), "/b/c/f");
    assert_eq!(tree.resolve(["b", "c", "f"]).unwrap().0, "f");
    assert!(tree.resolve(["a"]).is_none());
    assert!(tree.is_in_app("f") && !tree.is_in_app("b"));
    assert_eq!(
        code(tree.change("b", mv("a", "x"))),
        "content.parent.invalid"
    );
    assert_eq!(
        code(tree.change("a", mv("f", "x"))),
        "content.parent.invalid"
    );
    assert_eq!(
        code(tree.change("b", mv(ROOT, ".."))),
        "content.name.invalid"
    );
    assert_eq!(
        code(tree.insert("g".into(), node("a", "f", NodeKind::Folder))),
        "content.exists"
    );
    assert_eq!(code(tree.remove(ROOT)), "content.fixed");
    let (removed, files) = tree.remove("b").unwrap();
    assert_eq!(removed, ["f", "a", "b"]);
    assert_eq!(files.len(), 1);
    assert_eq!((tree.nodes.len(), tree.bytes), (0, 0));
    assert!(tree.children.is_empty() && tree.by_number.is_empty() && tree.by_owner.is_empty());
}

#[test]
fn folders_are_nested_so_deep_and_no_deeper() {
    let tree = tree();
    let tree = &mut *tree.lock();
    let mut parent = ROOT.to_owned();
    let mut made = 0;
    while tree
        .insert(made.to_string(), node(&parent, "n", NodeKind::Folder))
        .is_ok()
    {
        parent = made.to_string();
        made += 1;
    }
    assert_eq!(made, MAX_LEVELS);
}

#[test]
fn a_variant_is_replaced_by_another_of_its_name() {
    let tree = tree();
    let tree = &mut *tree.lock();
    tree.insert("f".into(), node(ROOT, "f", text("1"))).unwrap();
    assert!(tree.document("f").unwrap().get("variants").is_none());
    tree.add_variant("f", "v".into(), file("2")).unwrap();
    let replaced = tree.add_variant("f", "v".into(), file("3")).unwrap();
    assert_eq!(replaced[0].upload, "2");
    let document = tree.document("f").unwrap();
    assert_eq!(
        document["variants"],
        json!([{"name": "v", "mimeType": "text/plain", "size": 3}])
    );
    assert_eq!(tree.remove("f").unwrap().1.len(), 2);
}

#[test]
fn a_node_whose_place_is_gone_or_taken_comes_back_elsewhere() {
    let tree = tree();
    let tree = &mut *tree.lock();
    tree.insert("a".into(), node(ROOT, "a", NodeKind::Folder))
        .unwrap();
    tree.insert("f".into(), node("a", "f", text("1"))).unwrap();
    let record = serde_json::to_string(&tree.nodes["f"]).unwrap();
    tree.remove("a").unwrap();
    tree.restore(vec![("f".into(), record.clone())]);
    assert_eq!(tree.path("f"), "/f (f)");
    tree.restore(vec![("g".into(), record), ("h".into(), "nonsense".into())]);
    assert_eq!(tree.path("g"), "/f (g)");
    assert!(tree.get("h").is_none());
}
