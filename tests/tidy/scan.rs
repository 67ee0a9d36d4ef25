//! Reads Rust source just far enough: what is code, what is a comment or a literal, where a function and a test module end.

/// The same text with every comment and every literal's inside replaced by spaces. Lines and columns stay where they were.
pub fn code_of(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = match letters[at] {
            '/' if letters.get(at + 1) == Some(&'/') => end_of_line(&letters, at),
            '/' if letters.get(at + 1) == Some(&'*') => end_of_block(&letters, at),
            '"' => end_of_string(&letters, at),
            'r' if !follows_a_word(&letters, at) => end_of_raw_string(&letters, at).unwrap_or(at),
            '\'' => end_of_char(&letters, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            code.push(letters[at]);
            at += 1;
        } else {
            for letter in &letters[at..end] {
                // As many blanks as the letter has bytes, so that places in the code are places in the text.
                code.push_str(if *letter == '\n' { "\n" } else { &"    "[..letter.len_utf8()] });
            }
            at = end;
        }
    }
    code
}

fn follows_a_word(letters: &[char], at: usize) -> bool {
    at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_') && letters[at - 1] != 'b'
}

fn end_of_line(letters: &[char], at: usize) -> usize {
    letters[at..].iter().position(|letter| *letter == '\n').map_or(letters.len(), |length| at + length)
}

fn end_of_block(letters: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(letters: &[char], mut at: usize) -> usize {
    at += 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

fn end_of_raw_string(letters: &[char], at: usize) -> Option<usize> {
    let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
    let open = at + 1 + hashes;
    if letters.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |quote: usize| letters[quote] == '"' && letters[quote + 1..].iter().take(hashes).all(|letter| *letter == '#');
    Some((open + 1..letters.len()).find(|quote| closes(*quote)).map_or(letters.len(), |quote| quote + 1 + hashes))
}

/// A character, not a lifetime: a quote comes after one letter, or after what a backslash begins.
fn end_of_char(letters: &[char], at: usize) -> Option<usize> {
    match letters.get(at + 1)? {
        '\\' => letters[at + 3..].iter().take(10).position(|letter| *letter == '\'').map(|length| at + 4 + length),
        _ => (letters.get(at + 2) == Some(&'\'')).then_some(at + 3),
    }
}

/// Every function with a body: its name, its first line counted from 1, and how many lines it has.
pub fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = vec![];
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let name: String =
            code[at + 3..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if name.is_empty() {
            continue;
        }
        let Some(open) = body_of(code, at) else { continue };
        let lines = code[at..end_of_braces(code, open)].matches('\n').count() + 1;
        found.push((name, code[..at].matches('\n').count() + 1, lines));
    }
    found
}

/// Where the body of the function that begins at `at` opens; `None` for a declaration that ends in a semicolon.
fn body_of(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, letter) in code[at..].char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at + offset),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Just behind the brace that closes the one at `open`.
fn end_of_braces(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (offset, letter) in code[open..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset + 1;
        }
    }
    code.len()
}

/// The same code with every `#[cfg(test)]` module blanked.
pub fn without_tests(code: &str) -> String {
    let mut rest = code.to_owned();
    while let Some(at) = rest.find("#[cfg(test)]") {
        let end = body_of(&rest, at + "#[cfg(test)]".len())
            .map_or(at + "#[cfg(test)]".len(), |open| end_of_braces(&rest, open));
        let blank: String = rest[at..end].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect();
        rest.replace_range(at..end, &blank);
    }
    rest
}

#[test]
fn comments_and_literals_are_no_code() {
    let text =
        "let a = \"fn \\\" x\"; // fn y\nlet b = r#\"fn \"z\"#; /* fn /* w */ v */ let c = '\"'; fn real<'a>() {}";
    let code = code_of(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(functions(&code), [("real".to_owned(), 2, 1)]);
}

#[test]
fn the_lines_of_a_function_are_counted_from_its_name_to_its_last_brace() {
    let code = code_of("trait T { fn declared(&self); }\nfn long(a: [u8; 2])\n{\n  {\n  }\n}\n");
    assert_eq!(functions(&code), [("long".to_owned(), 2, 5)]);
}

#[test]
fn a_test_module_is_left_out() {
    let code = without_tests(&code_of("use a;\n#[cfg(test)]\nmod tests {\n    use b;\n}\nuse c;\n"));
    assert!(code.contains("use a") && code.contains("use c") && !code.contains("use b"));
    let sibling = without_tests(&code_of("#[cfg(test)]\nmod tests;\nuse c;\n"));
    assert!(sibling.contains("use c"));
}
