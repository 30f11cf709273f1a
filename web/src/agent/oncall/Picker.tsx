import { TextInput } from "@mantine/core";
import { useId, useState } from "react";
import type { KeyboardEvent } from "react";
import { Icon } from "../../shared/icons";
import type { IconName } from "../../shared/icons";

export interface Option {
  /** What is picked. Several options may stand for the same: people who share a number. */
  readonly key: string;
  /** What tells it from all others, where the key does not. */
  readonly id?: string;
  readonly icon: IconName;
  readonly label: string;
  readonly detail: string;
}

interface Props {
  readonly label: string;
  readonly placeholder: string;
  readonly none: string;
  readonly typed: string;
  readonly options: readonly Option[];
  readonly onType: (text: string) => void;
  readonly onPick: (key: string) => void;
}

/** A search whose results are walked with the arrows and taken with Enter, or with a click. */
export function Picker({ label, placeholder, none, typed, options, onType, onPick }: Props) {
  const list = useId();
  const [place, setPlace] = useState(0);
  const at = Math.min(place, options.length - 1);
  const optionId = (index: number) => `${list}-${index}`;

  const walk = (to: number) => {
    const next = (to + options.length) % options.length;
    setPlace(next);
    document.getElementById(optionId(next))?.scrollIntoView({ block: "nearest" });
  };
  const pressed = (event: KeyboardEvent) => {
    const chosen = options[at];
    if (event.nativeEvent.isComposing || chosen === undefined) return;
    switch (event.key) {
      case "ArrowDown":
        walk(at + 1);
        break;
      case "ArrowUp":
        walk(at - 1);
        break;
      case "Enter":
        if (!event.repeat) onPick(chosen.key);
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  return (
    <div className="picker">
      <TextInput
        role="combobox"
        aria-expanded={options.length > 0}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={options.length > 0 ? optionId(at) : undefined}
        label={label}
        placeholder={placeholder}
        leftSection={<Icon name="search" />}
        autoComplete="off"
        maxLength={100}
        value={typed}
        onChange={(event) => {
          setPlace(0);
          onType(event.currentTarget.value);
        }}
        onKeyDown={pressed}
        data-autofocus
        data-testid="picker"
      />
      <ul id={list} role="listbox" aria-label={label} className="picker-list">
        {options.map((option, index) => (
          <li
            key={option.id ?? option.key}
            id={optionId(index)}
            role="option"
            aria-selected={index === at}
            onMouseMove={() => {
              setPlace(index);
            }}
            onClick={() => {
              onPick(option.key);
            }}
            data-testid="picker-option"
            data-key={option.key}
          >
            <Icon name={option.icon} />
            <span className="picker-label">{option.label}</span>
            <span className="dimmed small">{option.detail}</span>
          </li>
        ))}
      </ul>
      <p className="dimmed small" role="status">
        {options.length === 0 ? none : ""}
      </p>
    </div>
  );
}
