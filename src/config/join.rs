//! `[[join.rule]]`: an administrator's own rules for the address to join.

use super::written::WrittenJoin;
use crate::pipeline::join::{RULES, Rule, Rules, Written};

/// Rules that are checked, those of one priority in the order in which they stand.
pub(super) fn rules(written: &WrittenJoin, wrong: &mut Vec<String>) -> Rules {
    if written.rule.len() > RULES {
        wrong.push(format!("join.rule: {RULES} rules are allowed"));
    }
    let mut rules: Vec<Rule> = Vec::new();
    for (at, one) in written.rule.iter().enumerate().take(RULES) {
        let rule = Rule::new(Written {
            name: one.name.clone().unwrap_or_default(),
            pattern: one.pattern.clone().unwrap_or_default(),
            priority: one.priority.unwrap_or_default(),
            template: one.template.clone().unwrap_or_else(|| "$0".into()),
        });
        match rule {
            Ok(rule) if rules.iter().any(|own| own.name() == rule.name()) => {
                wrong.push(format!("join.rule[{at}].name: two rules have the same"));
            }
            Ok(rule) => rules.push(rule),
            Err(why) => wrong.push(format!("join.rule[{at}].{why}")),
        }
    }
    Rules::new(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Rules, Vec<String>) {
        let file = config::File::from_str(text, config::FileFormat::Toml);
        let all = config::Config::builder().add_source(file).build().unwrap();
        let mut wrong = Vec::new();
        (rules(&all.try_deserialize().unwrap(), &mut wrong), wrong)
    }

    #[test]
    fn rules_are_taken_and_mistakes_named_by_their_place() {
        let good = r#"
            [[rule]]
            name = "video"
            pattern = 'video\.corp\.example/(\d+)'
            priority = 10
            template = "https://video.corp.example/$1"
        "#;
        let (_, wrong) = read(good);
        assert_eq!(wrong, Vec::<String>::new());
        let bad = "[[rule]]\nname = \"a\"\npattern = \"(\"\n\
                   [[rule]]\nname = \"b\"\npattern = \"x\"\n\
                   [[rule]]\nname = \"b\"\npattern = \"y\"\n";
        let (_, wrong) = read(bad);
        assert_eq!(
            wrong,
            [
                "join.rule[0].pattern: error: unclosed group",
                "join.rule[2].name: two rules have the same",
            ]
        );
    }
}
