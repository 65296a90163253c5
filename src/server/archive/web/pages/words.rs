//! The words of the pages, in English and Chinese.

use axum::http::{header, HeaderMap};

use crate::server::archive::settings::ArchiveSettings;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The language of a request.
    pub(super) fn of(settings: &ArchiveSettings, headers: &HeaderMap) -> Self {
        match settings.language {
            "zh" => return Self::Chinese,
            "en" => return Self::English,
            _ => {}
        }
        let accepted = headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok());
        let first = accepted
            .unwrap_or_default()
            .trim_start()
            .to_ascii_lowercase();
        if first.starts_with("zh") {
            Self::Chinese
        } else {
            Self::English
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The word in this language.
    pub(super) fn say(self, english: &'static str) -> &'static str {
        if self == Self::English {
            return english;
        }
        let found = WORDS.iter().find(|(of, _)| *of == english);
        found.map_or(english, |(_, chinese)| chinese)
    }
}

const WORDS: &[(&str, &str)] = &[
    ("Calls", "通话"),
    ("Devices", "设备"),
    ("Audit", "审计"),
    ("Settings", "设置"),
    ("Log in", "登录"),
    ("Log out", "退出"),
    ("Sign in with", "使用以下账号登录："),
    (
        "The sign-in service does not answer; try again later, or log in with a password.",
        "登录服务没有响应，请稍后重试，或使用密码登录。",
    ),
    (
        "This sign-in has ended or does not belong to this browser; begin again.",
        "此次登录已结束或不属于此浏览器，请重新开始。",
    ),
    (
        "The sign-in was refused. The administrator of this archive finds the reason in the audit log.",
        "登录被拒绝。此系统的管理员可在审计日志中查看原因。",
    ),
    (
        "You have signed in, but have no role here. Ask the administrator of this archive for one.",
        "您已登录，但在此没有角色。请向此系统的管理员申请。",
    ),
    ("User", "用户"),
    ("Password", "密码"),
    ("Search", "搜索"),
    ("Number, name or word", "号码、姓名或词语"),
    ("More fields", "更多条件"),
    ("Number", "号码"),
    ("Name", "姓名"),
    ("Device", "设备"),
    ("Direction", "方向"),
    ("any", "任意"),
    ("incoming", "呼入"),
    ("outgoing", "呼出"),
    ("From day", "起始日期"),
    ("To day", "结束日期"),
    ("At least, seconds", "最短（秒）"),
    ("At most, seconds", "最长（秒）"),
    ("Tag", "标签"),
    ("Tags", "标签"),
    ("End", "结束原因"),
    ("Only with losses or not heard", "仅显示有丢失或未听到的"),
    ("Only held", "仅显示已保留的"),
    ("Time", "时间"),
    ("Parties", "双方"),
    ("Duration", "时长"),
    ("Missing", "缺失"),
    ("Held", "保留"),
    ("No calls were found.", "没有找到通话。"),
    ("Older calls", "更早的通话"),
    ("Times are of the zone", "时区"),
    ("Note", "备注"),
    ("Notes, tags and hold", "备注、标签与保留"),
    ("Hold: never delete", "保留：永不删除"),
    ("Release the hold", "解除保留"),
    ("Save", "保存"),
    ("Delete", "删除"),
    ("Delete this call", "删除此通话"),
    ("Reason", "原因"),
    ("Result", "结果"),
    ("Codec", "编码"),
    ("Number of the call", "通话编号"),
    ("Download", "下载"),
    ("Original", "原始文件"),
    ("part", "部分"),
    ("Speed", "速度"),
    ("Waveform", "波形"),
    ("Facts", "详情"),
    ("State", "状态"),
    ("running", "录音中"),
    ("interrupted", "已中断"),
    ("finished", "已完成"),
    ("incomplete", "不完整"),
    ("deleted", "已删除"),
    ("Listen live", "实时收听"),
    ("Stop", "停止"),
    ("This call is being recorded now.", "此通话正在录音。"),
    (
        "Keys: space plays, arrows seek, < and > change the speed.",
        "按键：空格播放，方向键跳转，< 和 > 改变速度。",
    ),
    ("Who has heard it", "收听记录"),
    ("Nobody.", "无。"),
    ("Who", "用户"),
    ("What", "操作"),
    ("Role", "角色"),
    ("Recordings", "录音数"),
    ("Last call", "最近通话"),
    ("Tenant", "租户"),
    ("Users", "用户"),
    ("Add a user", "添加用户"),
    ("Add", "添加"),
    ("Disable", "停用"),
    ("disabled", "已停用"),
    ("Devices, with * and commas", "设备（可用 * 和逗号）"),
    ("Retention", "保存期限"),
    ("Recordings are kept for ever.", "录音永久保存。"),
    ("Recordings are kept for days:", "录音保存天数："),
    (
        "At this rate the disk lasts for days:",
        "按当前速度磁盘可用天数：",
    ),
    (
        "A round of deletion waits; recordings:",
        "有一轮删除在等待；录音数：",
    ),
    ("Let it through", "允许删除"),
    ("Your password again", "再次输入您的密码"),
    ("Balance", "核对"),
    ("accepted", "已接受"),
    ("present", "存在"),
    ("lost", "丢失"),
    ("refused", "已拒绝"),
    ("Hosts", "主机"),
    ("The first administrator", "首位管理员"),
    ("12 characters at least", "至少 12 个字符"),
    ("Make the administrator", "创建管理员"),
    ("User or password is wrong.", "用户或密码错误。"),
    (
        "Too many attempts; wait a little.",
        "尝试次数过多，请稍候。",
    ),
    ("This link is not valid any more.", "此链接已失效。"),
    ("Not found", "未找到"),
    ("There is no such page or call.", "没有此页面或通话。"),
    ("Not allowed", "不允许"),
    ("Your role does not allow this.", "您的角色不允许此操作。"),
    ("It did not work", "操作失败"),
    ("Skip to the content", "跳到正文"),
    ("Call", "通话"),
    ("unknown", "未知"),
    ("Back", "返回"),
    ("heard by one only", "仅听到一方"),
    ("nobody heard", "未听到声音"),
    ("frames lost", "帧丢失"),
    ("part missing", "缺少部分"),
    ("file missing", "文件缺失"),
    ("file on its way", "文件转移中"),
    ("its host does not answer", "录音主机无响应"),
    ("Host", "主机"),
    ("this host", "本机"),
    ("answers", "有响应"),
    ("does not answer", "无响应"),
    ("not asked yet", "尚未询问"),
    ("Calls that run", "进行中的通话"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_there_once() {
        for (at, (word, _)) in WORDS.iter().enumerate() {
            assert!(
                WORDS[at + 1..].iter().all(|(other, _)| other != word),
                "{word}"
            );
        }
        assert_eq!(Language::Chinese.say("Calls"), "通话");
        assert_eq!(Language::English.say("Calls"), "Calls");
    }
}
